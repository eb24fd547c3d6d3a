"""Batches of sentence rows for training the space: mixture, length buckets, padding, corruption."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .config import EOS, PAD, UNK

# Share of each file in the sampled rows; files that are missing give their share to the others.
MIXTURE = {
    "pairs.en-fr": 0.2,
    "pairs.en-de": 0.26,
    "pairs.en-es": 0.2,
    "pairs.fr-de": 0.03,
    "pairs.fr-es": 0.03,
    "pairs.de-es": 0.03,
    "story-sentences": 0.12,
    "wide-sentences": 0.05,
    "sentences.en": 0.05,
    "sentences.fr": 0.03,
    "sentences.de": 0.04,
    "sentences.es": 0.03,
    "sentences.it": 0.015,
    "sentences.pt": 0.015,
}
CORRUPTED_ROWS = 0.3
DROP, MASK, SHUFFLE = 0.08, 0.05, 1.5


class TokenRows:
    """Rows of one file of work/tokens: one or two sides of piece ids each."""

    def __init__(self, languages: tuple[str, ...], ids: list[np.ndarray], offsets: list[np.ndarray]):
        self.languages, self.ids, self.offsets = languages, ids, offsets

    @classmethod
    def load(cls, path: Path, languages: tuple[str, ...]) -> "TokenRows":
        arrays, sides = np.load(path), range(len(languages))
        return cls(languages, [arrays[f"ids{i}"] for i in sides], [arrays[f"offsets{i}"] for i in sides])

    def __len__(self) -> int:
        return len(self.offsets[0]) - 1

    def row(self, side: int, index: int) -> np.ndarray:
        """Piece ids of one sentence."""
        return self.ids[side][self.offsets[side][index] : self.offsets[side][index + 1]].astype(np.int64)


@dataclass
class Batch:
    """`pairs` rows with a translation come first on each side: sources = [x of pairs, y of pairs, others]."""

    source: Tensor  # [n, s] with language token and </s>
    source_mask: Tensor  # [n, s]
    decoder_input: Tensor  # [n, t] </s>, language token, pieces
    labels: Tensor  # [n, t] next tokens, PAD where there is no loss
    vector_of: Tensor  # [n] which source row's vector each target row is decoded from
    pairs: int

    def to(self, device: str) -> "Batch":
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()}
        return Batch(**moved)


def load_rows(tokens: Path) -> dict[str, TokenRows]:
    """All token files to train on, by the names of `MIXTURE`."""
    rows = {}
    for name in MIXTURE:
        kind, _, languages = name.partition(".")
        suffix = "" if kind == "sentences" else ".train"
        path = tokens / f"{name}{suffix}.npz"
        if path.exists():
            rows[name] = TokenRows.load(path, tuple((languages or "en").split("-")))
    documents = tokens.parent / "documents.train.npz"
    if documents.exists():
        rows = document_rows(documents) | rows
    return rows


def document_rows(path: Path) -> dict[str, TokenRows]:
    """The distinct sentences of work/documents.train.npz: those of the simple stories come first, then the others."""
    data = np.load(path)
    concepts = np.diff(data["offsets"])[data["kinds"] == 0].sum()
    stories = int(data["order"][:concepts].max(initial=-1)) + 1
    starts = {"story-sentences": data["starts"][: stories + 1], "wide-sentences": data["starts"][stories:]}
    return {
        name: TokenRows(("en",), [data["ids"]], [found]) for name, found in starts.items() if len(found) > 1
    }


def pad(rows: list[np.ndarray], value: int = PAD) -> Tensor:
    """Ragged id rows -> int64 [n, longest]."""
    padded = np.full((len(rows), max(map(len, rows))), value, np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(padded)


class BatchMaker:
    """Endless batches of about `batch_tokens` source plus target tokens, padding included."""

    def __init__(
        self, rows: dict[str, TokenRows], language_ids: dict[str, int], batch_tokens: int, seed: int
    ):
        self.files = list(rows.values())
        shares = np.array([MIXTURE[name] for name in rows])
        self.shares = shares / shares.sum()
        self.language_ids = language_ids
        self.batch_tokens = batch_tokens
        self.rng = np.random.default_rng(seed)

    def __iter__(self):
        while True:
            yield from self._chunk()

    def _chunk(self, rows: int = 40_000):
        files = self.rng.choice(len(self.files), rows, p=self.shares)
        indices, lengths = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        for number, file in enumerate(self.files):
            chosen = np.flatnonzero(files == number)
            indices[chosen] = self.rng.integers(len(file), size=len(chosen))
            for offsets in file.offsets:
                side = offsets[indices[chosen] + 1] - offsets[indices[chosen]]
                lengths[chosen] = np.maximum(lengths[chosen], side)
        picks = [(self.files[f], int(i)) for f, i in zip(files, indices, strict=True)]
        order = np.argsort(lengths + self.rng.random(rows))
        batches, current, tokens = [], [], 0
        for k in order:
            sides = len(picks[k][0].languages)
            current.append(picks[k])
            tokens += 2 * sides * (lengths[k] + 2)
            if tokens >= self.batch_tokens:
                batches.append(current)
                current, tokens = [], 0
        self.rng.shuffle(batches)
        for picked in batches:
            yield self._batch(picked)

    def _batch(self, picked: list[tuple[TokenRows, int]]) -> Batch:
        pairs = [pick for pick in picked if len(pick[0].languages) == 2]
        others = [pick for pick in picked if len(pick[0].languages) == 1]
        sides = [(*p, 0) for p in pairs] + [(*p, 1) for p in pairs] + [(*o, 0) for o in others]
        n = len(pairs)
        vector_of = np.arange(len(sides))
        swapped = self.rng.random(2 * n) < 0.5
        vector_of[: 2 * n] = np.where(swapped, (vector_of[: 2 * n] + n) % max(1, 2 * n), vector_of[: 2 * n])
        source, inputs, labels = [], [], []
        for file, index, side in sides:
            pieces = file.row(side, index)
            language = self.language_ids[file.languages[side]]
            read = self._corrupt(pieces) if self.rng.random() < CORRUPTED_ROWS else pieces
            source.append(np.concatenate([[language], read, [EOS]]))
            inputs.append(np.concatenate([[EOS, language], pieces]))
            labels.append(np.concatenate([[PAD], pieces, [EOS]]))
        padded = pad(source)
        return Batch(padded, padded != PAD, pad(inputs), pad(labels), torch.from_numpy(vector_of), n)

    def _corrupt(self, pieces: np.ndarray) -> np.ndarray:
        """Light denoising noise: drops, masks and locally shuffles pieces."""
        kept = pieces[self.rng.random(len(pieces)) >= DROP]
        if len(kept) == 0:
            return pieces
        order = np.argsort(np.arange(len(kept)) + SHUFFLE * self.rng.random(len(kept)))
        return np.where(self.rng.random(len(kept)) < MASK, UNK, kept[order])
