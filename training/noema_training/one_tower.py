"""One-Tower diffusion concept model (arXiv 2412.08821 §2.3.3; lcm.md §6): noisy and clean concepts in one transformer.

No code or checkpoint of it is public: the tensors have the names that the reference gives to the same parts of its other models. The
step of a concept is its timestep, 0 for a clean one; the output at a noisy position is the prediction for its concept.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .diffusion import Decoding, denoise
from .interleaved import Cache, InterleavedFrontend, InterleavedModel
from .two_tower import TimestepEmbedding


class OneTower(InterleavedModel):
    """The whole model; sizes are the manifest's `architecture` keys."""

    def __init__(
        self,
        sonar_dim: int,
        model_dim: int,
        heads: int,
        layers: int,
        timestep_embed_dim: int,
        ffn_inner: int,
        max_seq_len: int = 512,
        dropout: float = 0.0,
    ):
        width = timestep_embed_dim
        embed_time = TimestepEmbedding(width)
        super().__init__(
            InterleavedFrontend(sonar_dim, model_dim, "embed_time", embed_time, width, max_seq_len + 1),
            clean_step=0,
            outputs=sonar_dim,
            model_dim=model_dim,
            heads=heads,
            layers=layers,
            ffn_inner=ffn_inner,
            max_seq_len=max_seq_len,
            dropout=dropout,
        )


@torch.no_grad()
def generate_one_tower(
    model: OneTower, prompt: Tensor, count: int, decoding: Decoding, draw: Callable[[int], Tensor]
) -> Tensor:
    """Raw prompt [n, length, sonar_dim] -> raw generated concepts [n, count, sonar_dim].

    `draw(i)` gives the unit noise [n, sonar_dim] of the i-th concept.
    """
    concepts = prompt
    for index in range(count):
        cache = model.read(model.sonar_normalizer.normalize(concepts))

        def predict(x: Tensor, timestep: int, conditional: bool, cache: Cache = cache) -> Tensor:
            return model.predict(x, timestep, cache, conditional)

        clean = denoise(predict, draw(index)[:, None], decoding)
        concepts = torch.cat([concepts, model.sonar_normalizer.denormalize(clean)], dim=1)
    return concepts[:, prompt.shape[1] :]
