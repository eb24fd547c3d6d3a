"""Step `two-tower`: trains the diffusion concept model on encoded documents (lcm.md §§3.4, 4.4).

Squared error of the predicted clean concept, timesteps uniform per position, 15% of rows without context for guidance. Several noisy
copies of each document share one pass of the contextualizer: denoiser rows are independent given the context.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .concepts import Documents
from .config import BaseLcmConfig, OneTowerConfig, Profile, QuantLcmConfig, TwoTowerConfig
from .decoder_loss import decoder_loss, sample_positions
from .diffusion import TRAIN_STEPS, add_noise, cosine_alphas
from .documents import SentenceTokens
from .optim import Optimizer
from .sonar import Decoder
from .space import load_space
from .trainer import Run, Task, train
from .two_tower import TwoTower, context_mask

ADAM_NAMES = ("modulator", "embed_time", "pre_linear", "initial_proj", "final_proj")
AVERAGE_DECAY = 0.998
ConceptConfig = TwoTowerConfig | BaseLcmConfig | OneTowerConfig | QuantLcmConfig


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


@dataclass
class DecoderTerm:
    """The frozen decoder and the sentences it must bring back from predictions at low noise."""

    decoder: Decoder
    tokens: SentenceTokens

    @classmethod
    def load(cls, work: Path, config: TwoTowerConfig, device: str) -> "DecoderTerm":
        return cls(load_space(work, device).decoder, SentenceTokens(work, "train", device))

    def loss(self, model: TwoTower, predicted: Tensor, sentences: Tensor, low: Tensor, most: int) -> Tensor:
        """Cross-entropy of at most `most` of the predictions marked `low` [n, rows] for sentences [n, rows]."""
        picked = sample_positions(low, most)
        vectors = model.sonar_normalizer.denormalize(predicted.flatten(0, 1)[picked].float())
        return decoder_loss(self.decoder, vectors, sentences.flatten()[picked], self.tokens)


def diffusion_loss(
    model: TwoTower,
    concepts: Tensor,
    kept: Tensor,
    config: TwoTowerConfig,
    alphas: Tensor,
    sentences: Tensor | None = None,
    decoding: DecoderTerm | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error per channel over `noise_samples` noisy copies of concepts [n, length, dim].

    With `decoding`, adds `decoder_weight` times the cross-entropy, through the frozen decoder, of predictions made below timestep
    `decoder_timesteps`; sentences [n, length] say which sentence each concept is.
    """
    n, length, _ = concepts.shape
    copies, device = config.noise_samples, concepts.device
    strength = config.context_noise * torch.rand(n, 1, 1, device=device)
    context = model.contextualize(concepts + strength * torch.randn_like(concepts))
    clean = concepts.repeat(1, copies, 1)
    timesteps = torch.randint(TRAIN_STEPS, clean.shape[:2], device=device)
    noisy = add_noise(clean, torch.randn_like(clean), alphas[timesteps])
    mask = context_mask(length, length, device=device).repeat(copies, 1)[None].repeat(n, 1, 1)
    alone = torch.rand(clean.shape[:2], device=device) < config.unconditional
    mask[..., 1:] &= ~alone[..., None]
    predicted = model.denoiser(noisy, timesteps, context, mask[:, None])
    errors = (predicted - clean).float().square().mean(-1)
    kept = kept.repeat(1, copies)
    total = errors[kept].mean()
    terms = {"loss": total.detach()}
    if decoding is not None:
        low = kept & (timesteps < config.decoder_timesteps)
        extra = decoding.loss(model, predicted, sentences.repeat(1, copies), low, config.decoded_positions)
        total, terms["tokens"] = total + config.decoder_weight * extra, extra.detach()
    return total, terms


def train_two_tower(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/two-tower.pt; keeps a moving average of the weights."""
    config = profile.two_tower
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    torch.manual_seed(run.seed)
    documents, valid = Documents(work, "train"), Documents(work, "valid")
    architecture = {"sonar_dim": documents.vectors.shape[1]}
    for name in ("model_dim", "heads", "context_layers", "denoiser_layers", "ffn_inner", "max_seq_len"):
        architecture[name] = getattr(config, name)
    model = TwoTower(**architecture, dropout=config.dropout).to(run.device)
    model.sonar_normalizer.load_state_dict(torch.load(work / "normalizer.pt"))
    alphas = cosine_alphas().to(run.device)
    decoding = DecoderTerm.load(work, config, run.device) if config.decoder_weight else None

    def loss(batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        rows = batch.to(run.device)
        concepts, kept = documents.gather(rows)
        return diffusion_loss(model, concepts, kept, config, alphas, rows, decoding)

    def validate(average: TwoTower) -> dict[str, float]:
        return {"valid": validation_loss(average, valid, config, alphas, run.device)}

    documents.to(run.device)
    task = concept_task(
        "two-tower", model, architecture, config, ADAM_NAMES, documents, loss, validate, "valid"
    )
    return train(task, work, run)


def concept_task(
    name: str,
    model: nn.Module,
    architecture: dict,
    config: TwoTowerConfig | BaseLcmConfig | OneTowerConfig | QuantLcmConfig,
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


@torch.no_grad()
def validation_loss(
    model: TwoTower, documents: Documents, config: TwoTowerConfig, alphas: Tensor, device: str
) -> float:
    """The training loss on the held-out worlds, with the same noise each time."""
    devices = [device] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(1)
        most = range(min(len(documents), 512))
        concepts, kept = documents.gather(documents.pad([documents.rows(i)[: config.window] for i in most]))
        return diffusion_loss(model, concepts.to(device), kept.to(device), config, alphas)[0].item()
