"""Trained weights as a few small files, to be carried from the machine that trains: f16 or int8, cut into parts, checked on arrival."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load, save

from .space import int8_rows
from .trainer import trained_weights

MODELS = ("space", "base-lcm", "decoder", "two-tower", "token-lm")
PART = 15 * 2**20
LIMIT = 60 * 2**20
INDEX, STEM = "index.json", "weights.part"
SPACES = ("space/", "decoder/encoder.", "decoder/decoder.")  # tensors of sentence spaces
FIRST, SECOND = "encoder.encoder_frontend.embed.weight", "decoder.decoder_frontend.embed.weight"


class PartsDamaged(ValueError):
    """A part is missing or does not have the contents its index promises."""


def collect(
    work: Path,
    out: Path,
    names: tuple[str, ...] = MODELS,
    limit: int = LIMIT,
    known: dict[str, int] | None = None,
    int8: bool = False,
) -> dict[str, dict]:
    """Writes the weights of the named models' checkpoints, with logs and steps, to `out`; the index last.

    Models are taken in the given order while they fit `limit` bytes; those no further than the step given in `known` are skipped. The
    weights are those to be used (`trained_weights`); `int8`: matrices of the space as they are exported so (`as_stored`). Returns, as
    the index has them, `models` with bytes and step of each, `left_out` with the bytes of those that found no room beside them, and
    `too_large` with a sentence about each that never will.
    """
    tensors, about, sizes, left_out, too_large = {}, {}, {}, {}, {}
    for name in names:
        path = work / f"{name}.pt"
        if not path.exists():
            continue
        saved = torch.load(path, map_location="cpu", mmap=True)
        if saved["step"] <= (known or {}).get(name, -1):
            continue
        weights = trained_weights(saved)
        found = {}
        for key, value in _distinct(name, weights).items():
            found |= as_stored(f"{name}/{key}", value, int8)
        size = sum(value.numel() * value.element_size() for value in found.values())
        if size > limit:
            too_large[name] = (
                f"{size} bytes, more than the {limit} that can be sent at once: copy {path} whole"
            )
            continue
        if sum(entry["bytes"] for entry in sizes.values()) + size > limit:
            left_out[name] = size
            continue
        sizes[name] = {"bytes": size, "step": saved["step"]}
        tensors |= found
        about[name] = {k: v for k, v in saved.items() if k not in ("model", "average", "best", "optimizer")}
        about[name]["log"] = _read(work / f"{name}.log.jsonl")
    if (work / "normalizer.pt").exists():
        tensors |= {f"normalizer/{key}": value for key, value in torch.load(work / "normalizer.pt").items()}
    data = save(tensors, metadata={"about": json.dumps(about)})
    out.mkdir(parents=True, exist_ok=True)
    count = -(-len(data) // PART)
    for number in range(count):
        _write(out / f"{STEM}{number}", data[number * PART : (number + 1) * PART])
    for path in out.glob(f"{STEM}*"):
        if int(path.name.removeprefix(STEM)) >= count:
            path.unlink()
    collected = {"models": sizes, "left_out": left_out, "too_large": too_large}
    index = {"parts": count, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **collected}
    index["driver"] = json.loads(_read(work / "driver.json") or "{}")
    _write(out / INDEX, json.dumps(index, indent=1).encode())
    return collected


def unpack(folder: Path, work: Path) -> dict:
    """Restores checkpoints (f32, without optimizer state) from the parts; a checkpoint further on is kept. Returns steps by model."""
    index = json.loads((folder / INDEX).read_text())
    paths = [folder / f"{STEM}{number}" for number in range(index["parts"])]
    if missing := [path.name for path in paths if not path.exists()]:
        raise PartsDamaged(f"{folder} has no {', '.join(missing)}")
    data = b"".join(path.read_bytes() for path in paths)
    if hashlib.sha256(data).hexdigest() != index["sha256"]:
        raise PartsDamaged(f"the parts in {folder} are not those of its {INDEX}")
    tensors = load(data)
    about = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["about"])
    work.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, entry in about.items():
        path = work / f"{name}.pt"
        kept = torch.load(path, map_location="cpu", mmap=True)["step"] if path.exists() else -1
        results[name] = max(kept, entry["step"])
        if kept >= entry["step"]:
            continue
        (work / f"{name}.log.jsonl").write_text(entry.pop("log"))
        weights = _of(tensors, name)
        if name == "space":  # embeddings that the two towers share are stored once
            weights.setdefault(SECOND, weights[FIRST])
        torch.save({**entry, "model": weights, "average": weights}, path)
    if normalizer := _of(tensors, "normalizer"):
        torch.save(normalizer, work / "normalizer.pt")
    if index["driver"]:
        (work / "driver.json").write_text(json.dumps(index["driver"], indent=1))
    return results


def _distinct(name: str, weights: dict) -> dict:
    """Leaves out the second name of embeddings that encoder and decoder of the space share."""
    if name == "space" and SECOND in weights and torch.equal(weights[FIRST], weights[SECOND]):
        return {key: value for key, value in weights.items() if key != SECOND}
    return weights


def as_stored(name: str, value: torch.Tensor, int8: bool) -> dict[str, torch.Tensor]:
    """The tensor MODEL/NAME as f16, or as int8 and the scales of its rows where it is a matrix of a space that will be exported so."""
    if int8 and value.ndim == 2 and name.startswith(SPACES):
        values, scale = int8_rows(value.float())
        return {name: values, f"scale/{name}": scale}
    return {name: (value.float() if "sonar_normalizer" in name else value.half()).contiguous().clone()}


def _of(tensors: dict, name: str) -> dict:
    """The tensors of a model as f32."""
    return {
        key.partition("/")[2]: value.float() * tensors.get(f"scale/{key}", 1)
        for key, value in tensors.items()
        if key.startswith(f"{name}/")
    }


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
