"""What the trainers of all concept models share: windows of documents in batches, and the task around a loss."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .concepts import Documents
from .config import BaseLcmConfig, OneTowerConfig, QuantLcmConfig, TwoTowerConfig
from .optim import Optimizer
from .trainer import Task

AVERAGE_DECAY = 0.998
ConceptConfig = TwoTowerConfig | BaseLcmConfig | OneTowerConfig | QuantLcmConfig


def architecture_of(
    work: Path, name: str, sonar_dim: int, config: ConceptConfig, sizes: tuple[str, ...]
) -> dict[str, int]:
    """That of work/NAME.pt, which training goes on from, else concepts of `sonar_dim` and the named sizes of the profile."""
    checkpoint = work / f"{name}.pt"
    if checkpoint.exists():
        return torch.load(checkpoint, map_location="cpu", mmap=True)["architecture"]
    return {"sonar_dim": sonar_dim} | {size: getattr(config, size) for size in sizes}


def document_batches(documents: Documents, config: ConceptConfig, rng: np.random.Generator):
    """Endless padded index batches of windows of similar length; some begin inside their document, as prompts may.

    Documents longer than the window give several windows.
    """
    shares = documents.shares(config.wide)
    while True:
        chunk = rng.choice(len(documents), 20_000, p=shares)
        chosen = [rows for index in chunk for rows in _windows(documents.rows(index), config, rng)]
        chosen.sort(key=lambda rows: len(rows) + rng.random())
        for start in rng.permutation(np.arange(0, len(chosen), config.batch_documents)):
            yield documents.pad(chosen[start : start + config.batch_documents])


def _windows(rows: Tensor, config: ConceptConfig, rng: np.random.Generator) -> list[Tensor]:
    most = min(len(rows) // 2, config.window)
    start = int(rng.integers(most + 1)) if rng.random() < config.cropped else 0
    windows = [rows[begin : begin + config.window] for begin in range(start, len(rows), config.window)]
    return [window for window in windows if len(window) > 1]


def concept_task(
    name: str,
    model: nn.Module,
    architecture: dict,
    config: ConceptConfig,
    adam_names: tuple[str, ...],
    documents: Documents,
    loss: Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]],
    validate: Callable[[nn.Module], dict[str, float]],
    select: str,
) -> Task:
    """What all concept models share in training: windows of documents, the weight average, the best average by validation."""
    return Task(
        name=name,
        model=model,
        optimizer=Optimizer(model, config.learning_rate, adam_names),
        loss=loss,
        batches=lambda seed: document_batches(documents, config, np.random.default_rng(seed)),
        meta={"architecture": architecture},
        minutes=config.minutes,
        micro_batches=config.micro_batches,
        warmup_steps=config.warmup_steps,
        average_decay=AVERAGE_DECAY,
        validate=validate,
        select=select,
        log_every=50,
        validate_every=100,
    )
