"""Step `quantizer`: fits the residual quantiser to the encoded sentences of the training documents, codebook after codebook."""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from . import distributed
from .concepts import Documents
from .config import Profile, QuantizerConfig
from .quantizer import first_centroids, k_means_step, nearest
from .trainer import SAVE_SECONDS, Run

REPORT = "quantizer.json"
AT_REST = 1e-4  # k-means rests when an iteration lowers the mean squared distance by no more than this share


@dataclass
class Fit:
    """What is done so far: finished codebooks [units, dim] with their scores, and the one under way."""

    sizes: dict[str, int]
    codebooks: list[Tensor] = field(default_factory=list)
    scores: list[dict] = field(default_factory=list)
    centroids: Tensor | None = None
    distances: list[float] = field(default_factory=list)  # of its iterations
    elapsed: float = 0.0


def fit_quantizer(work: Path, profile: Profile, run: Run, batch_rows: int | None = None) -> dict:
    """Fits within the time budget, resuming from work/quantizer.pt; `max_steps` are k-means iterations a codebook.

    A codebook is done when k-means rests, after the profile's iterations, or when its part of what is left of the budget is spent;
    every one gets an iteration at least. Returns, and writes to work/quantizer.json, a score for each codebook: what is left of the
    mean squared length of the normalised concepts after it, of those fitted and of the held-out ones, and how many units are in use.
    """
    if distributed.rank() != 0:
        return {}
    config = profile.quantizer
    config = replace(
        config, batch_rows=batch_rows or config.batch_rows, iterations=run.max_steps or config.iterations
    )
    fitted, held_out = _rows(work, "train", config, run), _rows(work, "valid", config, run)
    powers = [rows.square().mean().item() for rows in (fitted, held_out)]
    path = work / "quantizer.pt"
    fit = _resume(path, {"codebooks": config.codebooks, "units": config.units, "dim": fitted.shape[1]}, run)
    for codebook in fit.codebooks:
        for rows in (fitted, held_out):
            _subtract(rows, codebook, config)
    budget = 60 * (run.minutes if run.minutes is not None else config.minutes)
    clock = Clock(time.time() - fit.elapsed, run.pause_at)
    while len(fit.codebooks) < config.codebooks:
        share = (budget - clock.elapsed()) / (config.codebooks - len(fit.codebooks))
        codebook = _fit_codebook(fit, fitted, config, run.seed, clock, clock.elapsed() + share, path)
        if codebook is None:
            break
        used = _subtract(fitted, codebook, config)
        _subtract(held_out, codebook, config)
        left = [
            rows.square().mean().item() / power
            for rows, power in zip((fitted, held_out), powers, strict=True)
        ]
        fit.scores.append({"fitted": round(left[0], 5), "held_out": round(left[1], 5), "units": used})
        fit.codebooks.append(codebook)
        fit.centroids, fit.distances = None, []
        _save(fit, clock, path)
    report = {
        "finished": len(fit.codebooks) == config.codebooks,
        "seconds": round(clock.elapsed(), 1),
        "sentences": len(fitted),
        **fit.sizes,
        "left": fit.scores,
    }
    (work / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return report


@dataclass
class Clock:
    """Seconds over all calls, and when this one has to end."""

    began: float
    pause_at: float

    def elapsed(self) -> float:
        return time.time() - self.began

    def pausing(self) -> bool:
        return time.time() >= self.pause_at


def _fit_codebook(
    fit: Fit, rows: Tensor, config: QuantizerConfig, seed: int, clock: Clock, until: float, path: Path
) -> Tensor | None:
    """The centroids for rows [n, dim], or None where the call has to end before they are found."""
    seed += 1_000_003 * len(fit.codebooks)
    draw = torch.Generator()
    saved_at = clock.elapsed()
    if fit.centroids is None:
        fit.centroids = first_centroids(rows, config.units, draw.manual_seed(seed))
    while True:
        if clock.pausing():
            _save(fit, clock, path)
            return None
        # Seeded by the iteration, so that a pause changes nothing.
        draw.manual_seed(seed + 1 + len(fit.distances))
        fit.centroids, distance = k_means_step(rows, fit.centroids, draw, config.batch_rows)
        fit.distances.append(distance)
        rests = len(fit.distances) > 1 and fit.distances[-2] - distance <= AT_REST * distance
        if rests or len(fit.distances) >= config.iterations or clock.elapsed() >= until:
            return fit.centroids.half().float()
        if clock.elapsed() - saved_at > SAVE_SECONDS:
            _save(fit, clock, path)
            saved_at = clock.elapsed()


def _subtract(rows: Tensor, codebook: Tensor, config: QuantizerConfig) -> int:
    """Takes the nearest centroid from each of rows [n, dim], in place; returns how many centroids that took."""
    used = torch.zeros(len(codebook), dtype=torch.bool, device=rows.device)
    for batch in rows.split(config.batch_rows):
        chosen = nearest(batch, codebook)[0]
        used[chosen] = True
        batch -= codebook[chosen]
    return int(used.sum())


def _rows(work: Path, split: str, config: QuantizerConfig, run: Run) -> Tensor:
    """Normalised sentences [n, dim] of a split, a sample of them where there are more than the profile takes."""
    vectors = Documents(work, split).vectors
    picked = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(run.seed))
    return vectors[picked[: config.sentences]].to(run.device)


def _resume(path: Path, sizes: dict[str, int], run: Run) -> Fit:
    if not path.exists():
        return Fit(sizes)
    fit = Fit(**torch.load(path, map_location=run.device))
    if fit.sizes != sizes:
        raise ValueError(f"{path} has {fit.sizes}, not {sizes} as asked for: remove it to start anew")
    return fit


def _save(fit: Fit, clock: Clock, path: Path) -> None:
    fit.elapsed = clock.elapsed()
    torch.save(vars(fit), path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
