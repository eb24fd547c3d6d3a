"""Checks of an exported folder against PyTorch on real sentences."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .base_lcm import BaseLcm
from .config import EOS
from .one_tower import OneTower
from .quant_lcm import QUANT_LCMS, QuantLcm
from .runtime import ExportedSpace, load_base, load_one_tower, load_quant, load_two_tower
from .space import Space
from .two_tower import TwoTower

TOLERANCE = 2e-3
SENTENCES = [
    "Once there was a girl named Mia.",
    "Tom put the red kite back into the box.",
    "End of text.",
    "What time is it?",
    "She smiled.",
    "The old man gave the children some bread, and they went home.",
]


class ExportMismatch(ValueError):
    """An exported graph or concept model disagrees with PyTorch."""


def verify_folder(space: Space, folder: Path, manifest: dict, models: dict[str, nn.Module]) -> None:
    """Raises ExportMismatch when embeddings, conditioning, step logits, beam reordering, text or predicted concepts differ.

    `models` are the concept models of the manifest by name, their parameters rounded as they are stored.
    """
    (folder / "manifest.json").write_text(json.dumps(manifest))
    try:
        exported = ExportedSpace(folder)
        embeddings = _encoder(space, exported)
        _decoder(space, exported, embeddings)
        if set(models) != set(manifest["conceptModels"]):
            raise ExportMismatch(
                f"the manifest has {sorted(manifest['conceptModels'])}, not {sorted(models)}"
            )
        if "base-lcm" in models:
            _base_lcm(models["base-lcm"], load_base(folder), torch.from_numpy(embeddings))
        if "two-tower" in models:
            _two_tower(models["two-tower"], load_two_tower(folder)[0], torch.from_numpy(embeddings))
        if "one-tower" in models:
            _one_tower(models["one-tower"], load_one_tower(folder)[0], torch.from_numpy(embeddings))
        for name in QUANT_LCMS.keys() & models.keys():
            _quant_lcm(name, models[name], load_quant(folder, name)[0], torch.from_numpy(embeddings))
    finally:
        (folder / "manifest.json").unlink()


def compare(name: str, got: np.ndarray, want: torch.Tensor) -> None:
    """Raises unless got equals want within TOLERANCE of want's largest magnitude."""
    want = want.detach().numpy()
    worst = np.abs(got - want).max() / max(np.abs(want).max(), 1e-9)
    if got.shape != want.shape or not worst <= TOLERANCE:
        raise ExportMismatch(f"{name}: {got.shape} against {want.shape}, relative difference {worst:.2e}")


def _encoder(space: Space, exported: ExportedSpace) -> np.ndarray:
    embeddings = exported.encode(SENTENCES)
    token = exported.languages["eng_Latn"]
    for sentence, embedding in zip(SENTENCES, embeddings, strict=True):
        pieces = exported.tokenizer.encode(sentence).ids
        if exported.tokenizer.decode(pieces) != sentence:
            raise ExportMismatch(f"tokenizer does not return {sentence!r}")
        ids = torch.tensor([[token, *pieces, EOS]])
        compare("embeddings", embedding[None], space.encoder(ids, torch.ones_like(ids)))
    return embeddings


def _decoder(space: Space, exported: ExportedSpace, embeddings: np.ndarray) -> None:
    vectors = torch.from_numpy(embeddings)
    want = space.decoder.conditioning(vectors)
    conditioning = exported.conditioning.run(None, {"embeddings": embeddings})[0]
    compare("conditioning", conditioning, want)
    for code in exported.languages:
        got = exported.decode_ids(embeddings, code, max_pieces=20)
        if got != greedy(space, vectors, exported.languages[code], 20):
            raise ExportMismatch(f"greedy text in {code} differs")
    _beams(space, exported, vectors, conditioning)


def _beams(space: Space, exported: ExportedSpace, vectors: torch.Tensor, conditioning: np.ndarray) -> None:
    """A cached step whose rows are a reordering of the past, against the full forward pass."""
    n, language = len(vectors), exported.languages["fra_Latn"]
    prefix = torch.tensor([[EOS, language]]).repeat(n, 1)
    layers, heads = exported.decoder["layers"], exported.decoder["heads"]
    empty = np.zeros((layers, n, heads, 0, exported.decoder["headDim"]), np.float32)
    feed = {"input_ids": prefix.numpy(), "conditioning": conditioning, "past_key": empty, "past_value": empty}
    logits, key, value = exported.step.run(None, feed | {"beam_index": np.arange(n)})
    compare("first logits", logits, space.decoder(prefix, vectors)[:, -1])
    rows = np.array([1, 1, 0, 3, 2])
    tokens = torch.tensor([[7], [20], [33], [41], [50]])
    feed = {
        "input_ids": tokens.numpy(),
        "conditioning": conditioning[rows],
        "past_key": key,
        "past_value": value,
    }
    logits, key, _ = exported.step.run(None, feed | {"beam_index": rows})
    compare("step logits", logits, space.decoder(torch.cat([prefix[rows], tokens], 1), vectors[rows])[:, -1])
    if key.shape[1:4] != (len(rows), heads, 3):
        raise ExportMismatch(f"present_key has shape {key.shape}")


def _base_lcm(model: BaseLcm, exported: BaseLcm, embeddings: torch.Tensor) -> None:
    """The raw prediction after every sentence of one document."""
    compare(
        "base-lcm predictions", exported.predict(embeddings[None]).numpy(), model.predict(embeddings[None])
    )


def _two_tower(model: TwoTower, exported: TwoTower, embeddings: torch.Tensor) -> None:
    """One denoising of fixed noise at every level from 0 to 90 in tens, with one document as context; raw."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 10, embeddings.shape[1], generator=draw)
    timesteps = torch.arange(0, 100, 10)[None]

    def denoise(tower: TwoTower) -> torch.Tensor:
        context = tower.contextualize(tower.sonar_normalizer.normalize(embeddings[None]))
        return tower.sonar_normalizer.denormalize(tower.denoiser(noise, timesteps, context, None))

    compare("two-tower predictions", denoise(exported).numpy(), denoise(model))


def greedy(space: Space, vectors: torch.Tensor, language: int, max_pieces: int) -> list[list[int]]:
    """Greedy pieces from the full PyTorch forward pass, without a cache."""
    ids = torch.tensor([[EOS, language]]).repeat(len(vectors), 1)
    result, open_rows = [[] for _ in vectors], torch.ones(len(vectors), dtype=torch.bool)
    for _ in range(max_pieces):
        logits = space.decoder(ids, vectors)[:, -1]
        logits[:, 0] = -torch.inf
        chosen = logits.argmax(1)
        open_rows &= chosen != EOS
        if not open_rows.any():
            break
        for row in open_rows.nonzero().flatten().tolist():
            result[row].append(int(chosen[row]))
        ids = torch.cat([ids, chosen[:, None]], dim=1)
    return result


def _one_tower(model: OneTower, exported: OneTower, embeddings: torch.Tensor) -> None:
    """Fixed noise at every position of one document, each at another level, in one interleaved pass; raw."""
    noise = torch.randn(1, *embeddings.shape, generator=torch.Generator().manual_seed(0))
    timesteps = torch.arange(len(embeddings))[None] * 15

    def predict(tower: OneTower) -> torch.Tensor:
        clean = tower.sonar_normalizer.normalize(embeddings[None])
        return tower.sonar_normalizer.denormalize(tower(clean, noise, timesteps))

    compare("one-tower predictions", predict(exported).numpy(), predict(model))


def _quant_lcm(name: str, model: QuantLcm, exported: QuantLcm, embeddings: torch.Tensor) -> None:
    """The outputs for sums of the first centroids of every sentence of one document, one more for each, and the sums themselves."""
    codebooks = len(model.quantizer.codebooks)
    steps = torch.arange(len(embeddings))[None] % codebooks
    units = model.quantizer.encode(model.sonar_normalizer.normalize(embeddings))[None]

    def predict(tower: QuantLcm) -> torch.Tensor:
        clean = tower.sonar_normalizer.normalize(embeddings[None])
        return tower(clean, tower.quantizer.partial_sums(units, steps), steps)

    compare(f"{name} outputs", predict(exported).numpy(), predict(model))
    whole = torch.full_like(steps, codebooks)
    sums = [tower.quantizer.partial_sums(units, whole) for tower in (exported, model)]
    compare(f"{name} sums", sums[0].numpy(), sums[1])
