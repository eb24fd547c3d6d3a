"""Steps `quant-lcm-c` and `quant-lcm-d`: train the Quant-LCMs on clean concepts and partial sums of their centroids in turn (lcm.md §7).

The number of codebooks in a sum is uniform per position. 15% of the sums see no context, for guidance.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from .concept_training import architecture_of, concept_task
from .concepts import Documents
from .config import Profile, QuantLcmConfig
from .quant_lcm import QUANT_LCMS, QuantLcm
from .quantizer import ResidualQuantizer
from .trainer import Run, train

ADAM_NAMES = ("embed_codebook", "pre_linear", "pos_encoder", "postnet")
SIZES = ("model_dim", "heads", "layers", "codebook_embed_dim", "ffn_inner", "max_seq_len")


def quant_loss(
    model: QuantLcm, concepts: Tensor, units: Tensor, kept: Tensor, config: QuantLcmConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean error over `partial_samples` partial sums of concepts [n, length, dim], of which `kept` [n, length] exist.

    units [n, length, codebooks] are the concepts' own.
    """
    copies = config.partial_samples
    clean, kept, units = concepts.repeat(copies, 1, 1), kept.repeat(copies, 1), units.repeat(copies, 1, 1)
    steps = torch.randint(units.shape[-1], kept.shape, device=clean.device)
    strength = config.context_noise * torch.rand(len(clean), 1, 1, device=clean.device)
    alone = torch.rand(kept.shape, device=clean.device) < config.unconditional
    sums = model.quantizer.partial_sums(units, steps)
    outputs = model(clean + strength * torch.randn_like(clean), sums, steps, alone)
    errors = model.errors(outputs, clean, units.gather(-1, steps[..., None])[..., 0])
    total = errors[kept].mean()
    return total, {"loss": total.detach()}


def trainer_of(name: str) -> Callable[..., dict]:
    """The training function of `quant-lcm-c` or `quant-lcm-d`."""

    def train_quant_lcm(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
        return _train(name, work, profile, run, batch_documents)

    return train_quant_lcm


def _train(name: str, work: Path, profile: Profile, run: Run, batch_documents: int | None) -> dict:
    """Trains within the time budget, resuming from work/NAME.pt; keeps a moving average of the weights."""
    config = profile.quant_lcm
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    torch.manual_seed(run.seed)
    quantizer = ResidualQuantizer.load(work)
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    sonar_dim = documents.vectors.shape[1]
    units, dim = quantizer.codebooks[0].weight.shape
    if dim != sonar_dim:
        raise ValueError(f"the quantizer is of {dim} dimensions, the concepts have {sonar_dim}")
    _require_same_codebooks(quantizer, work / f"{name}.pt")
    architecture = architecture_of(work, name, sonar_dim, config, SIZES)
    architecture |= {"n_codebooks": len(quantizer.codebooks), "n_units_per_codebook": units}
    model = QUANT_LCMS[name](**architecture, dropout=config.dropout)
    model.quantizer.load_state_dict(quantizer.state_dict())
    model.sonar_normalizer.load_state_dict(torch.load(work / "normalizer.pt"))
    model.to(run.device)
    train_units, valid_units = (model.quantizer.encode(split.vectors) for split in (documents, valid))

    def loss(batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        rows = batch.to(run.device)
        concepts, kept = documents.gather(rows)
        return quant_loss(model, concepts, train_units[rows.clamp(min=0)], kept, config)

    @torch.no_grad()
    def validate(average: QuantLcm) -> dict[str, float]:
        """The training loss on the held-out worlds, with the same sums each time."""
        devices = [run.device] if run.device.startswith("cuda") else []
        rows = valid.pad([valid.rows(i)[: config.window] for i in range(min(len(valid), 256))]).to(run.device)
        concepts, kept = valid.gather(rows)
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(1)
            total = quant_loss(average, concepts, valid_units[rows.clamp(min=0)], kept, config)[0]
        return {"valid": total.item()}

    task = concept_task(name, model, architecture, config, ADAM_NAMES, documents, loss, validate, "valid")
    return train(task, work, run)


def _require_same_codebooks(quantizer: ResidualQuantizer, checkpoint: Path) -> None:
    """Raises where a checkpoint to be resumed was trained with another quantiser."""
    if not checkpoint.exists():
        return
    saved = torch.load(checkpoint, map_location="cpu", mmap=True)["model"]
    for key, centroids in quantizer.state_dict(prefix="quantizer.").items():
        if key not in saved or not torch.equal(saved[key], centroids):
            raise ValueError(f"{checkpoint} was trained with another quantiser: remove it to start anew")
