"""What the step `decoder` leaves in work/decoder.pt: the space's decoder and the Base-LCM, tuned to each other."""

from pathlib import Path

import torch
from torch import Tensor

from .base_lcm import BaseLcm
from .trainer import load_trained, trained_weights

DECODER = "decoder"


def tuned_checkpoint(work: Path, device: str = "cpu") -> dict | None:
    """The step's checkpoint, if it was run. Raises ValueError when space or Base-LCM were trained on after it."""
    path = work / f"{DECODER}.pt"
    if not path.exists():
        return None
    found = torch.load(path, map_location=device)
    for name, step in begun_from(work).items():
        if found[name] != step:
            raise ValueError(
                f"{path} belongs to an earlier {name}: delete it and run the step {DECODER} again"
            )
    return found


def begun_from(work: Path) -> dict[str, int]:
    """The steps of the checkpoints that the step `decoder` begins with."""
    return {
        name: torch.load(work / f"{name}.pt", map_location="cpu", mmap=True)["step"]
        for name in ("space", "base-lcm")
    }


def part(checkpoint: dict, name: str) -> dict[str, Tensor]:
    """The trained weights of `decoder` or `concept_model`."""
    weights = trained_weights(checkpoint).items()
    return {key.removeprefix(f"{name}."): value for key, value in weights if key.startswith(f"{name}.")}


def load_base_lcm(work: Path) -> tuple[BaseLcm, dict]:
    """The trained Base-LCM of a work directory with its architecture: the tuned one, if there is one."""
    model, architecture = load_trained(BaseLcm, work, "base-lcm")
    if found := tuned_checkpoint(work):
        model.load_state_dict(part(found, "concept_model"))
    return model, architecture
