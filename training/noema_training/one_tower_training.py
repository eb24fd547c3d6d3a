"""Step `one-tower`: trains the One-Tower diffusion model on interleaved noisy and clean concepts (lcm.md §§4.4, 6).

Squared error of the predicted clean concept, timesteps uniform per position, 15% of the noisy positions without context for guidance.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from .concept_training import architecture_of, concept_task
from .concepts import Documents
from .config import OneTowerConfig, Profile
from .diffusion import TRAIN_STEPS, add_noise, cosine_alphas
from .one_tower import OneTower
from .trainer import Run, train

ADAM_NAMES = ("embed_time", "pre_linear", "pos_encoder", "postnet")
SIZES = ("model_dim", "heads", "layers", "timestep_embed_dim", "ffn_inner", "max_seq_len")


def one_tower_loss(
    model: OneTower, concepts: Tensor, kept: Tensor, config: OneTowerConfig, alphas: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error per channel over `noise_samples` noisy copies of concepts [n, length, dim], of which `kept` [n, length] exist."""
    clean, kept = concepts.repeat(config.noise_samples, 1, 1), kept.repeat(config.noise_samples, 1)
    timesteps = torch.randint(TRAIN_STEPS, kept.shape, device=clean.device)
    noisy = add_noise(clean, torch.randn_like(clean), alphas[timesteps])
    strength = config.context_noise * torch.rand(len(clean), 1, 1, device=clean.device)
    alone = torch.rand(kept.shape, device=clean.device) < config.unconditional
    predicted = model(clean + strength * torch.randn_like(clean), noisy, timesteps, alone)
    total = (predicted - clean).float().square().mean(-1)[kept].mean()
    return total, {"loss": total.detach()}


def train_one_tower(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/one-tower.pt; keeps a moving average of the weights."""
    config = profile.one_tower
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    torch.manual_seed(run.seed)
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    architecture = architecture_of(work, "one-tower", documents.vectors.shape[1], config, SIZES)
    model = OneTower(**architecture, dropout=config.dropout).to(run.device)
    model.sonar_normalizer.load_state_dict(torch.load(work / "normalizer.pt"))
    alphas = cosine_alphas().to(run.device)

    def loss(batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return one_tower_loss(model, *documents.gather(batch.to(run.device)), config, alphas)

    @torch.no_grad()
    def validate(average: OneTower) -> dict[str, float]:
        """The training loss on the held-out worlds, with the same noise each time."""
        devices = [run.device] if run.device.startswith("cuda") else []
        rows = valid.pad([valid.rows(i)[: config.window] for i in range(min(len(valid), 256))])
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(1)
            total = one_tower_loss(average, *valid.gather(rows.to(run.device)), config, alphas)[0]
        return {"valid": total.item()}

    task = concept_task(
        "one-tower", model, architecture, config, ADAM_NAMES, documents, loss, validate, "valid"
    )
    return train(task, work, run)
