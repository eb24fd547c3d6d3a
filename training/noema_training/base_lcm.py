"""Base-LCM under the reference's tensor names (lcm.md §2): a causal Transformer that predicts the next concept."""

import torch
from torch import Tensor, nn

from .two_tower import Contextualizer, Frontend, Normalizer, Projection


class NormalizedFrontend(Frontend):
    """Linear projection into the model, with the normalizer stored beside it as the reference does."""

    def __init__(self, sonar_dim: int, dim: int):
        super().__init__(sonar_dim, dim)
        self.sonar_normalizer = Normalizer(sonar_dim)


class Postnet(Projection):
    """fc: model dimension -> sonar_dim."""


class BaseLcm(nn.Module):
    """The whole model; sizes are the manifest's `architecture` keys."""

    def __init__(
        self,
        sonar_dim: int,
        model_dim: int,
        heads: int,
        layers: int,
        ffn_inner: int,
        max_seq_len: int = 512,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.max_seq_len = max_seq_len
        self.frontend = NormalizedFrontend(sonar_dim, model_dim)
        self.lcm = Contextualizer(model_dim, layers, heads, ffn_inner, dropout)
        self.postnet = Postnet(model_dim, sonar_dim)

    @property
    def sonar_normalizer(self) -> Normalizer:
        return self.frontend.sonar_normalizer

    def forward(self, normalized: Tensor) -> Tensor:
        """Normalised concepts [n, length, sonar_dim] -> normalised predictions; position i predicts concept i + 1."""
        return self.postnet(self.lcm(self.frontend(normalized)))

    def predict(self, concepts: Tensor) -> Tensor:
        """Raw concepts [n, length, sonar_dim] -> raw predictions of the concept after each."""
        return self.sonar_normalizer.denormalize(self(self.sonar_normalizer.normalize(concepts)))


@torch.no_grad()
def generate_base(
    model: BaseLcm, prompt: Tensor, count: int, temperature: float = 0.0, noise: torch.Generator | None = None
) -> Tensor:
    """Raw prompt [n, length, sonar_dim] -> raw generated concepts [n, count, sonar_dim].

    `temperature` times N(0, 1) is added to each normalised prediction (lcm.md §2, `sample`).
    """
    normalizer, concepts = model.sonar_normalizer, prompt
    for _ in range(count):
        predicted = model(normalizer.normalize(concepts))[:, -1:]
        if temperature:
            predicted = predicted + temperature * torch.randn(predicted.shape, generator=noise)
        concepts = torch.cat([concepts, normalizer.denormalize(predicted)], dim=1)
    return concepts[:, prompt.shape[1] :]
