"""Residual vector quantiser of concepts (arXiv 2412.08821 §2.3.5; lcm.md §7): a concept as one centroid of each codebook, summed.

Each codebook is fitted, by k-means, to what the ones before it leave of the concepts. Centroids are rounded to half precision, as they
are stored, before the next codebook is fitted to what the rounded ones leave.
"""

from pathlib import Path

import torch
from torch import Tensor, nn


class ResidualQuantizer(nn.Module):
    """Codebooks of centroids [units, sonar_dim] in the normalised space."""

    def __init__(self, sonar_dim: int, codebooks: int, units: int):
        super().__init__()
        self.codebooks = nn.ModuleList(nn.Embedding(units, sonar_dim) for _ in range(codebooks))
        self.requires_grad_(False)

    @classmethod
    def load(cls, work: Path) -> "ResidualQuantizer":
        """The finished one of a work directory, see `fit_quantizer`."""
        path = work / "quantizer.pt"
        saved = torch.load(path, map_location="cpu") if path.exists() else None
        if saved is None or len(saved["codebooks"]) < saved["sizes"]["codebooks"]:
            raise FileNotFoundError(f"{path} is missing or not finished: run the step `quantizer` first")
        units, dim = saved["codebooks"][0].shape
        quantizer = cls(dim, len(saved["codebooks"]), units)
        for codebook, centroids in zip(quantizer.codebooks, saved["codebooks"], strict=True):
            codebook.weight.copy_(centroids)
        return quantizer

    def encode(self, vectors: Tensor, batch_rows: int = 16384) -> Tensor:
        """Normalised concepts [n, sonar_dim] -> units [n, codebooks]: the nearest centroid to what is left, the first among equals."""
        units = torch.empty(len(vectors), len(self.codebooks), dtype=torch.long, device=vectors.device)
        for start in range(0, len(vectors), batch_rows):
            residual = vectors[start : start + batch_rows].clone()
            for index, codebook in enumerate(self.codebooks):
                chosen = nearest(residual, codebook.weight)[0]
                units[start : start + batch_rows, index] = chosen
                residual -= codebook(chosen)
        return units

    def partial_sums(self, units: Tensor, used: Tensor) -> Tensor:
        """Units [..., codebooks] -> the sum [..., sonar_dim] of the centroids in the first `used` [...] codebooks."""
        total = 0
        for index, codebook in enumerate(self.codebooks):
            total = total + codebook(units[..., index]) * (used > index)[..., None]
        return total


def nearest(vectors: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [n, dim] -> index [n] of the nearest centroid, the first among equals, and the squared distance [n] to it."""
    chosen = (centroids.square().sum(1) - 2 * (vectors @ centroids.T)).argmin(1)
    return chosen, (vectors - centroids[chosen]).square().sum(1)


def k_means_step(
    vectors: Tensor, centroids: Tensor, draw: torch.Generator, batch_rows: int
) -> tuple[Tensor, float]:
    """One iteration of k-means over rows [n, dim]: the centroids [units, dim] moved, and the mean squared distance before that.

    A centroid without rows moves to a row drawn in proportion to its squared distance from its own centroid (as k-means++ draws its
    first centroids, Arthur and Vassilvitskii 2007).
    """
    sums = torch.zeros_like(centroids)
    counts = torch.zeros(len(centroids), dtype=torch.long, device=vectors.device)
    distances = torch.empty(len(vectors), device=vectors.device)
    for start in range(0, len(vectors), batch_rows):
        rows = vectors[start : start + batch_rows]
        chosen, distances[start : start + batch_rows] = nearest(rows, centroids)
        sums.index_add_(0, chosen, rows)
        counts += torch.bincount(chosen, minlength=len(centroids))
    moved = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centroids)
    apart = distances.double().cpu()
    dead = (counts == 0).nonzero().flatten()[: int((apart > 0).sum())]
    if len(dead):
        moved[dead] = vectors[torch.multinomial(apart, len(dead), generator=draw).to(vectors.device)]
    return moved, distances.mean().item()


def first_centroids(vectors: Tensor, units: int, draw: torch.Generator) -> Tensor:
    """A sample [units, dim] of the rows [n, dim]; rows come again where there are too few."""
    order = torch.randperm(len(vectors), generator=draw).to(vectors.device)
    return vectors[order.repeat(-(-units // len(vectors)))[:units]].clone()
