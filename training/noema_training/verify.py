"""Checks of an exported folder against PyTorch on real sentences."""

import json
from pathlib import Path

import numpy as np
import torch

from .config import EOS
from .runtime import ExportedSpace
from .space import Space

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
    """An exported graph disagrees with PyTorch."""


def verify_folder(space: Space, folder: Path, manifest: dict) -> None:
    """Raises ExportMismatch when embeddings, conditioning, step logits, beam reordering or text differ."""
    (folder / "manifest.json").write_text(json.dumps(manifest))
    try:
        exported = ExportedSpace(folder)
        embeddings = _encoder(space, exported)
        _decoder(space, exported, embeddings)
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
