"""Step `two-tower`: trains the diffusion concept model on encoded documents (lcm.md §§3.4, 4.4).

Squared error of the predicted clean concept, timesteps uniform per position, 15% of rows without context for guidance. Several noisy
copies of each document share one pass of the contextualizer: denoiser rows are independent given the context.
"""

import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .concepts import Documents
from .config import Profile, TwoTowerConfig
from .diffusion import TRAIN_STEPS, add_noise, cosine_alphas
from .optim import Optimizer, progress_scale
from .two_tower import TwoTower, context_mask
from .workers import Shared, Workers

ADAM_NAMES = ("modulator", "embed_time", "pre_linear", "initial_proj", "final_proj")
AVERAGE_DECAY = 0.998


def document_batches(documents: Documents, config: TwoTowerConfig, rng: np.random.Generator):
    """Endless batches of documents of similar length; some start in their middle, as prompts may."""
    while True:
        chosen = []
        for index in rng.permutation(len(documents)):
            rows = documents.rows(index)
            start = int(rng.integers(len(rows) // 2 + 1)) if rng.random() < config.cropped else 0
            chosen.append(rows[start : start + config.window])
        chosen.sort(key=lambda rows: len(rows) + rng.random())
        starts = np.arange(0, len(chosen), config.batch_documents)
        for start in rng.permutation(starts):
            yield documents.batch(chosen[start : start + config.batch_documents])


def diffusion_loss(
    model: TwoTower, concepts: Tensor, kept: Tensor, config: TwoTowerConfig, alphas: Tensor
) -> Tensor:
    """Mean squared error per channel over `noise_samples` noisy copies of concepts [n, length, dim]."""
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
    return errors[kept.repeat(1, copies)].mean()


def train_two_tower(
    work: Path,
    profile: Profile,
    device: str = "cpu",
    minutes: float | None = None,
    batch_documents: int | None = None,
    max_steps: int | None = None,
    threads: int = 2,
    seed: int = 0,
) -> dict:
    """Trains within the time budget, resuming from work/two-tower.pt; keeps a moving average of the weights."""
    config = profile.two_tower
    if batch_documents:
        config = type(config)(**{**vars(config), "batch_documents": batch_documents})
    budget = 60 * (minutes if minutes is not None else config.minutes)
    torch.manual_seed(seed)
    documents, valid = Documents(work, "train"), Documents(work, "valid")
    architecture = {"sonar_dim": documents.vectors.shape[1]}
    for name in ("model_dim", "heads", "context_layers", "denoiser_layers", "ffn_inner", "max_seq_len"):
        architecture[name] = getattr(config, name)
    model = TwoTower(**architecture, dropout=config.dropout).to(device)
    normalizer = torch.load(work / "normalizer.pt")
    model.sonar_normalizer.load_state_dict(normalizer)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = Optimizer(model, config.learning_rate, ADAM_NAMES)
    step, elapsed, checkpoint = 0, 0.0, work / "two-tower.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        step, elapsed = saved["step"], saved["elapsed"]

    def save() -> None:
        state = {"model": model.state_dict(), "average": average.state_dict(), "architecture": architecture}
        state |= {"optimizer": optimizer.state_dict(), "step": step, "elapsed": elapsed}
        torch.save(state, checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)

    alphas = cosine_alphas().to(device)
    batches = Shared(document_batches(documents, config, np.random.default_rng(seed + step)))
    workers = Workers(threads)

    def accumulate() -> float:
        """One micro-batch: adds its gradients, returns its loss."""
        concepts, kept = batches.draw()
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=profile.bf16):
            loss = diffusion_loss(model, concepts.to(device), kept.to(device), config, alphas)
        (loss / config.micro_batches).backward()
        return loss.item()

    log = (work / "two-tower.log.jsonl").open("a")
    began, saved_at, running = time.time() - elapsed, elapsed, None
    while True:
        elapsed = time.time() - began
        if elapsed >= budget or (max_steps is not None and step >= max_steps):
            break
        scale = progress_scale(step, elapsed / budget, config.warmup_steps)
        losses = workers.run([accumulate] * config.micro_batches)
        optimizer.step(scale, workers)
        step += 1
        decay = min(AVERAGE_DECAY, step / (step + 10))
        with torch.no_grad():
            for kept_value, value in zip(average.parameters(), model.parameters(), strict=True):
                kept_value.lerp_(value, 1 - decay)
        loss = sum(losses) / len(losses)
        running = loss if running is None else 0.98 * running + 0.02 * loss
        if step % 100 == 0:
            entry = {
                "step": step,
                "seconds": round(elapsed),
                "scale": round(scale, 3),
                "loss": round(running, 4),
            }
            if step % 500 == 0:
                entry["valid"] = round(validation_loss(average, valid, config, alphas, device), 4)
            print(json.dumps(entry), file=log, flush=True)
        if elapsed - saved_at > 120:
            save()
            saved_at = elapsed
    save()
    result = {"step": step, "seconds": round(elapsed), "loss": running}
    result["valid"] = validation_loss(average, valid, config, alphas, device)
    print(json.dumps(result), file=log, flush=True)
    return result


@torch.no_grad()
def validation_loss(
    model: TwoTower, documents: Documents, config: TwoTowerConfig, alphas: Tensor, device: str
) -> float:
    """The training loss on the held-out worlds, with the same noise each time."""
    devices = [device] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(1)
        concepts, kept = documents.batch([documents.rows(i)[: config.window] for i in range(len(documents))])
        return diffusion_loss(model.eval(), concepts.to(device), kept.to(device), config, alphas).item()
