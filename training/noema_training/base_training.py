"""Step `base-lcm`: trains the Base-LCM with cross-entropy through the frozen decoder of the space.

Each predicted concept conditions the decoder, which must give the tokens of the true next sentence (SONAR-LLM, arXiv 2508.05305). A small
squared error keeps predictions where sentences are, and a contrastive term (InfoNCE, van den Oord et al. 2018, arXiv 1807.03748) sets the
true next concept apart from others: a squared error alone shrinks an uncertain prediction towards the mean of all sentences. Only the
concept model learns.
"""

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .base_lcm import BaseLcm
from .concept_training import architecture_of, concept_task
from .concepts import Documents
from .config import BaseLcmConfig, Profile
from .decoder_loss import decoder_loss, sample_positions
from .documents import SentenceTokens
from .sonar import Decoder
from .space import load_space
from .trainer import Run, train

ADAM_NAMES = ("pre_linear", "postnet")
SIZES = ("model_dim", "heads", "layers", "ffn_inner", "max_seq_len")


def base_loss(
    model: BaseLcm,
    decoder: Decoder,
    tokens: SentenceTokens,
    concepts: Tensor,
    rows: Tensor,
    config: BaseLcmConfig,
    blur: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of normalised documents [n, length, dim]; rows [n, length] say which sentence each concept is, -1 for none.

    Every position is regressed; `decoded_positions` random ones go through the decoder, with noise of at most `blur` a document on them.
    The first concept is never a target.
    """
    strength = config.context_noise * torch.rand(len(concepts), 1, 1, device=concepts.device)
    context = concepts + strength * torch.randn_like(concepts)
    if config.hidden:
        context = context * (torch.rand_like(context[..., :1]) >= config.hidden)
    predicted = model(context[:, :-1])
    kept, targets = rows[:, 1:] >= 0, rows[:, 1:]
    distance = (predicted - concepts[:, 1:]).float().square().mean(-1)[kept].mean()
    picked = sample_positions(kept, config.decoded_positions)
    blurred = predicted
    if blur:
        blurred = predicted + blur * torch.rand_like(strength) * torch.randn_like(predicted)
    vectors = model.sonar_normalizer.denormalize(blurred.flatten(0, 1)[picked].float())
    cross_entropy = decoder_loss(decoder, vectors, targets.flatten()[picked], tokens)
    contrastive = contrastive_loss(
        predicted[kept].float(), concepts[:, 1:][kept].float(), targets[kept], config.contrastive_sharpness
    )
    total = cross_entropy + config.regression_weight * distance + config.contrastive_weight * contrastive
    terms = {"tokens": cross_entropy, "distance": distance, "contrastive": contrastive}
    return total, {name: value.detach() for name, value in terms.items()}


def contrastive_loss(predicted: Tensor, truth: Tensor, sentences: Tensor, sharpness: float) -> Tensor:
    """Mean cross-entropy of finding each prediction's true concept among all true ones by distance; 0 where there are none.

    predicted, truth [n, dim]; equal sentences [n] do not count against each other.
    """
    if not len(truth):
        return predicted.sum() * 0
    distances = torch.cdist(predicted, truth).square() / predicted.shape[1]
    same = (sentences[:, None] == sentences[None]) & ~torch.eye(
        len(truth), dtype=torch.bool, device=truth.device
    )
    scores = (-sharpness * distances).masked_fill(same, -torch.inf)
    return F.cross_entropy(scores, torch.arange(len(truth), device=truth.device))


@torch.no_grad()
def validated_loss(
    model: BaseLcm, decoder: Decoder, documents: Documents, tokens: SentenceTokens, config: BaseLcmConfig
) -> dict[str, float]:
    """The same loss on held-out documents, of all kinds as many as there are, without noise, at the same positions each time."""
    device = documents.vectors.device
    picked = range(0, len(documents), -(-len(documents) // 256))
    rows = documents.pad([documents.rows(i)[: config.window] for i in picked]).to(device)
    quiet = replace(config, context_noise=0.0, hidden=0.0, decoded_positions=512)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(1)
        terms = base_loss(model, decoder, tokens, documents.gather(rows)[0], rows, quiet)[1]
    return {f"valid_{name}": round(value.item(), 4) for name, value in terms.items()}


def train_base_lcm(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/base-lcm.pt; keeps a moving average of the weights."""
    config = profile.base_lcm
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    torch.manual_seed(run.seed)
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    architecture = architecture_of(work, "base-lcm", documents.vectors.shape[1], config, SIZES)
    model = BaseLcm(**architecture, dropout=config.dropout).to(run.device)
    model.sonar_normalizer.load_state_dict(torch.load(work / "normalizer.pt"))
    decoder = load_space(work, run.device, tuned=False).decoder
    tokens, held_out = (SentenceTokens(work, split, run.device) for split in ("train", "valid"))

    def loss(batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        rows = batch.to(run.device)
        return base_loss(model, decoder, tokens, documents.gather(rows)[0], rows, config)

    def validate(average: BaseLcm) -> dict[str, float]:
        return validated_loss(average, decoder, valid, held_out, config)

    task = concept_task(
        "base-lcm", model, architecture, config, ADAM_NAMES, documents, loss, validate, "valid_tokens"
    )
    return train(task, work, run)
