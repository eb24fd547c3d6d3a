"""Checkpoints of the public LCM code: read, recognised, checked against the shapes of their family (lcm.md §§2, 3)."""

import pickle
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .base_lcm import BaseLcm
from .two_tower import TwoTower

MODELS = {"two_tower": TwoTower, "base_lcm": BaseLcm}
# Attention of a position to itself alone needs neither (lcm.md §3.3).
WITHOUT_EFFECT = re.compile(r"denoiser\.layers\.\d+\.self_attn\.[qk]_proj\.(weight|bias)")
NAMED = 5


class CheckpointError(ValueError):
    """A checkpoint that cannot be converted, with what is wrong in a sentence."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Name -> tensor of a `.safetensors` file or a PyTorch file, `{"model": …}` and the prefix `module.` taken off."""
    try:
        safe = path.suffix == ".safetensors"
        state = (
            load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        )
    except (RuntimeError, pickle.UnpicklingError, SafetensorError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason}") from error
    while isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}, not tensors by name")
    tensors = {
        name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)
    }
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors")
    return tensors


def family_of(tensors: dict[str, Tensor]) -> str:
    """`two_tower` or `base_lcm`, from the names."""
    tops = {name.split(".")[0] for name in tensors}
    if {"denoiser", "context_encoder", "encoder_frontend"} <= tops:
        return "two_tower"
    if {"lcm", "postnet", "frontend"} <= tops:
        return "base_lcm"
    raise CheckpointError(
        f"this is neither a Two-Tower (denoiser, context_encoder, encoder_frontend) nor a Base-LCM (lcm, postnet, frontend): "
        f"the tensors are under {', '.join(sorted(tops)[:12])}"
    )


def infer_architecture(tensors: dict[str, Tensor], heads: int | None, max_seq_len: int) -> tuple[str, dict]:
    """Family and the manifest's `architecture`. The number of heads is in no shape."""
    family = family_of(tensors)
    frontend, stack = (
        ("encoder_frontend", "context_encoder") if family == "two_tower" else ("frontend", "lcm")
    )
    model_dim, sonar_dim = shape_of(tensors, f"{frontend}.pre_linear.weight", 2)
    ffn_inner, _ = shape_of(tensors, f"{stack}.layers.0.ffn.gate_proj.weight", 2)
    if heads is None:
        raise CheckpointError(
            f"no shape tells the number of heads: give --heads (the published sizes have 128 channels a head, "
            f"which would be {model_dim / 128:g})"
        )
    if heads < 1 or model_dim % (2 * heads):
        raise CheckpointError(f"{heads} heads do not divide model_dim {model_dim} into even parts")
    layers = {"context_layers" if family == "two_tower" else "layers": count_layers(tensors, stack)}
    if family == "two_tower":
        layers["denoiser_layers"] = count_layers(tensors, "denoiser")
    sizes = {"sonar_dim": sonar_dim, "model_dim": model_dim, "heads": heads, **layers}
    return family, {**sizes, "ffn_inner": ffn_inner, "max_seq_len": max_seq_len}


def checked(tensors: dict[str, Tensor], family: str, architecture: dict) -> dict[str, Tensor]:
    """The family's tensors, all there, of the right shape and finite; those without effect are left out."""
    with torch.device("meta"):
        wanted = {
            name: tuple(value.shape) for name, value in MODELS[family](**architecture).state_dict().items()
        }
    tensors = {name: value for name, value in tensors.items() if not WITHOUT_EFFECT.fullmatch(name)}
    check_names_and_shapes(tensors, wanted)
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise CheckpointError(f"{name} has numbers that are not finite")
    return {name: tensors[name] for name in wanted}


def build(tensors: dict[str, Tensor], family: str, architecture: dict) -> nn.Module:
    """The PyTorch model of a converted checkpoint."""
    model = MODELS[family](**architecture)
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    return model.eval().requires_grad_(False)


def check_names_and_shapes(tensors: dict[str, Tensor], wanted: dict[str, tuple[int, ...]]) -> None:
    """Raises CheckpointError naming what is missing, of another shape, or unknown."""
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise CheckpointError(f"{listed(missing, 'tensor')} missing")
    for name, shape in wanted.items():
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(f"{name} has shape {list(tensors[name].shape)}, not {list(shape)}")
    unknown = [name for name in tensors if name not in wanted]
    if unknown:
        raise CheckpointError(
            f"{listed(unknown, 'tensor')} not known: the model has parts that Noema does not"
        )


def listed(names: list[str], what: str) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"the {what}{'s' if len(names) > 1 else ''} {', '.join(names[:NAMED])}{more} {'are' if len(names) > 1 else 'is'}"


def shape_of(tensors: dict[str, Tensor], name: str, axes: int) -> tuple[int, ...]:
    if name not in tensors:
        raise CheckpointError(f"the tensor {name} is missing")
    if tensors[name].ndim != axes:
        raise CheckpointError(f"{name} has shape {list(tensors[name].shape)}, which is not of {axes} axes")
    return tuple(tensors[name].shape)


def count_layers(tensors: dict[str, Tensor], stack: str) -> int:
    """One more than the largest index under `stack.layers`."""
    found = [re.match(rf"{stack}\.layers\.(\d+)\.", name) for name in tensors]
    indices = [int(match[1]) for match in found if match]
    if not indices:
        raise CheckpointError(f"there are no tensors under {stack}.layers")
    return max(indices) + 1
