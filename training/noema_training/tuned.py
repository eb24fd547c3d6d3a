"""What the step `decoder` leaves in work/decoder.pt, the space and the Base-LCM tuned to each other; and the step `average`."""

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


def average(work: Path, other: Path, share: float) -> dict[str, float]:
    """Replaces the weights in work/decoder.pt by a mean with those of another work directory, which has `share` of it (0 to 1).

    Two ends of training that began alike lie in one basin, and between them is often a model better than both (Wortsman et al.,
    "Model soups", arXiv 2203.05482). The optimizer's state is left out. Raises ValueError for another share, where either directory
    lacks the checkpoint, where their models have other sizes, and where their encoders differ, so that they mean other sentences by
    the same concept.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"--share is {share}: it must be from 0 (all of {work}) to 1 (all of {other})")
    checkpoints = [tuned_checkpoint(place) for place in (work, other)]
    for place, found in zip((work, other), checkpoints, strict=True):
        if found is None:
            raise ValueError(f"{place / DECODER}.pt is missing: run the step {DECODER} there first")
    own, others = map(_encoder, (work, other))
    if own.keys() != others.keys() or not all(torch.equal(own[key], others[key]) for key in own):
        raise ValueError(
            f"the encoder of {other} is another than that of {work}: their decoders cannot be averaged"
        )
    first, second = map(trained_weights, checkpoints)
    if {key: value.shape for key, value in first.items()} != {k: v.shape for k, v in second.items()}:
        raise ValueError(
            f"the models in {other} have other sizes than those in {work}: they cannot be averaged"
        )
    weights = {key: torch.lerp(value, second[key], share) for key, value in first.items()}
    kept = {key: value for key, value in checkpoints[0].items() if key not in ("optimizer", "best")}
    path = work / f"{DECODER}.pt"
    torch.save(kept | {"model": weights, "average": weights}, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
    return {"share": share, "parameters": sum(value.numel() for value in weights.values())}


def _encoder(work: Path) -> dict[str, Tensor]:
    weights = trained_weights(torch.load(work / "space.pt", map_location="cpu"))
    return {key: value for key, value in weights.items() if key.startswith("encoder.")}


def begun_from(work: Path) -> dict[str, int]:
    """The steps of the checkpoints that the step `decoder` begins with."""
    return {
        name: torch.load(work / f"{name}.pt", map_location="cpu", mmap=True)["step"]
        for name in ("space", "base-lcm")
    }


def part(checkpoint: dict, name: str) -> dict[str, Tensor]:
    """The trained weights of `encoder`, `decoder` or `concept_model`."""
    weights = trained_weights(checkpoint).items()
    return {key.removeprefix(f"{name}."): value for key, value in weights if key.startswith(f"{name}.")}


def load_base_lcm(work: Path) -> tuple[BaseLcm, dict]:
    """The trained Base-LCM of a work directory with its architecture: the tuned one, if there is one."""
    model, architecture = load_trained(BaseLcm, work, "base-lcm")
    if found := tuned_checkpoint(work):
        model.load_state_dict(part(found, "concept_model"))
    return model, architecture
