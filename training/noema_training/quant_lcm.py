"""Quant-LCM-c and -d (arXiv 2412.08821 §2.3.5; lcm.md §7): the next concept refined codebook by codebook.

No code or checkpoint of them is public: the tensors have the names that the reference gives to the same parts of its other models. The
tower is that of the One-Tower model. In the place of a noisy concept stands the sum of the centroids chosen so far, and its step says
how many codebooks are in it: none at first, all of them for a clean concept.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .interleaved import InterleavedFrontend, InterleavedModel
from .quantizer import ResidualQuantizer


@dataclass(frozen=True)
class Refinement:
    """How centroids are chosen; the manifest's `decoding` keys in snake case. `top_k` 1 or temperature 0 takes the best."""

    guidance_scale: float = 1.0
    temperature: float = 1.0
    top_k: int = 3


class QuantLcm(InterleavedModel, ABC):
    """What both variants have in common; sizes are the manifest's `architecture` keys."""

    def __init__(
        self,
        outputs: int,
        *,
        sonar_dim: int,
        model_dim: int,
        heads: int,
        layers: int,
        codebook_embed_dim: int,
        ffn_inner: int,
        n_codebooks: int,
        n_units_per_codebook: int,
        max_seq_len: int = 512,
        dropout: float = 0.0,
    ):
        width = codebook_embed_dim
        embed_codebook = nn.Embedding(n_codebooks + 1, width)
        super().__init__(
            InterleavedFrontend(
                sonar_dim, model_dim, "embed_codebook", embed_codebook, width, max_seq_len + 1
            ),
            clean_step=n_codebooks,
            outputs=outputs,
            model_dim=model_dim,
            heads=heads,
            layers=layers,
            ffn_inner=ffn_inner,
            max_seq_len=max_seq_len,
            dropout=dropout,
        )
        self.quantizer = ResidualQuantizer(sonar_dim, n_codebooks, n_units_per_codebook)

    @abstractmethod
    def errors(self, outputs: Tensor, concepts: Tensor, units: Tensor) -> Tensor:
        """Training loss [n, length] of outputs [n, length, width].

        concepts [n, length, sonar_dim] are the true ones, units [n, length] their units in the codebook of each position's step.
        """

    @abstractmethod
    def scores(self, outputs: Tensor, total: Tensor, step: int) -> Tensor:
        """Outputs [n, width] and the sums so far [n, sonar_dim] -> log-likelihoods [n, units] of codebook `step` at temperature 1."""


class QuantLcmC(QuantLcm):
    """Regresses the whole concept; the centroid nearest to what it lacks comes next."""

    def __init__(self, sonar_dim: int, **sizes):
        super().__init__(sonar_dim, sonar_dim=sonar_dim, **sizes)

    def errors(self, outputs: Tensor, concepts: Tensor, units: Tensor) -> Tensor:
        return (outputs - concepts).float().square().mean(-1)

    def scores(self, outputs: Tensor, total: Tensor, step: int) -> Tensor:
        """Minus the mean squared difference: p(c) ∝ exp(-β ‖c - r‖²) with β = 1 / (temperature · sonar_dim)."""
        residual = outputs - total
        return -(residual[:, None] - self.quantizer.codebooks[step].weight).square().mean(-1)


class QuantLcmD(QuantLcm):
    """Predicts the unit of the next codebook; one softmax layer serves them all."""

    def __init__(self, n_units_per_codebook: int, **sizes):
        super().__init__(n_units_per_codebook, n_units_per_codebook=n_units_per_codebook, **sizes)

    def errors(self, outputs: Tensor, concepts: Tensor, units: Tensor) -> Tensor:
        return F.cross_entropy(outputs.float().transpose(1, 2), units, reduction="none")

    def scores(self, outputs: Tensor, total: Tensor, step: int) -> Tensor:
        return outputs


QUANT_LCMS: dict[str, type[QuantLcm]] = {"quant-lcm-c": QuantLcmC, "quant-lcm-d": QuantLcmD}


def choose(scores: Tensor, refinement: Refinement, draw: Tensor) -> Tensor:
    """Units [n] for scores [n, units] and draws [n] uniform in 0 to 1: the first with which the shares of the best `top_k` pass it."""
    if refinement.temperature == 0 or refinement.top_k == 1:
        return scores.argmax(-1)
    # A stable sort keeps the first of equals.
    ranked = scores.sort(dim=-1, descending=True, stable=True).indices
    kept = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, ranked[:, : refinement.top_k], True)
    weights = ((scores - scores.amax(-1, keepdim=True)).double() / refinement.temperature).exp() * kept
    shares = weights.cumsum(-1)
    passed = shares > draw.double()[:, None] * shares[:, -1:]
    return (passed & kept).int().argmax(-1)


def uniform_draws(noise: Tensor) -> Tensor:
    """Normal numbers [..., 2 n] -> [..., n] uniform in 0 to 1, which is left out: exp(-(a² + b²) / 2) of each pair."""
    return (-noise.double().unflatten(-1, (-1, 2)).square().sum(-1) / 2).exp().clamp(max=1 - 2**-24)


@torch.no_grad()
def generate_quant(
    model: QuantLcm, prompt: Tensor, count: int, refinement: Refinement, draw: Callable[[int], Tensor]
) -> Tensor:
    """Raw prompt [n, length, sonar_dim] -> raw generated concepts [n, count, sonar_dim].

    `draw(i)` gives the unit noise [n, 2 codebooks] of the i-th concept.
    """
    concepts = prompt
    for index in range(count):
        cache = model.read(model.sonar_normalizer.normalize(concepts))
        draws = uniform_draws(draw(index))
        total = torch.zeros_like(concepts[:, :1])
        for step, codebook in enumerate(model.quantizer.codebooks):
            outputs = model.predict(total, step, cache)
            if refinement.guidance_scale != 1:
                free = model.predict(total, step, cache, conditional=False)
                outputs = free + refinement.guidance_scale * (outputs - free)
            scores = model.scores(outputs[:, 0], total[:, 0], step)
            total = total + codebook(choose(scores, refinement, draws[:, step]))[:, None]
        concepts = torch.cat([concepts, model.sonar_normalizer.denormalize(total)], dim=1)
    return concepts[:, prompt.shape[1] :]
