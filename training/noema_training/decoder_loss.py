"""Cross-entropy of true sentences decoded from predicted concepts by the frozen decoder (SONAR-LLM, arXiv 2508.05305).

Gradients flow through the decoder into the predicted vectors only; the decoder's own parameters need none.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .config import PAD
from .documents import SentenceTokens
from .sonar import Decoder


def decoder_loss(
    decoder: Decoder, vectors: Tensor, sentences: Tensor, tokens: SentenceTokens, chunk: int = 1024
) -> Tensor:
    """Mean cross-entropy a token of raw vectors [n, dim] for the sentences [n] (indices into `tokens`).

    Rows are decoded in order of length, a quarter or `chunk` at a time, so that short ones are not padded to the longest. Where there
    are more than `chunk`, activations are computed again in the backward pass: memory holds the logits of one chunk only.
    """
    if not len(sentences):
        return vectors.sum() * 0
    order = tokens.lengths[sentences].argsort()
    total, count = vectors.new_zeros((), dtype=torch.float32), 0
    for picked in order.split(min(chunk, -(-len(order) // 4))):
        inputs, labels = tokens.decoder_rows(sentences[picked])
        count += int((labels != PAD).sum())
        arguments = (decoder, vectors[picked], inputs, labels)
        lost = (
            checkpoint(_summed, *arguments, use_reentrant=False)
            if len(order) > chunk
            else _summed(*arguments)
        )
        total = total + lost
    return total / max(1, count)


def _summed(decoder: Decoder, vectors: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    states = decoder.hidden(inputs, vectors)
    kept = labels != PAD
    return F.cross_entropy(decoder.logits(states[kept]).float(), labels[kept], reduction="sum")


def sample_positions(kept: Tensor, most: int) -> Tensor:
    """Flat indices of at most `most` random true entries of a mask [n, length]."""
    positions = kept.flatten().nonzero()[:, 0]
    if len(positions) <= most:
        return positions
    return positions[torch.randperm(len(positions), device=positions.device)[:most]]
