"""Steps `encode` and `normalizer`: documents as sentence vectors, and their robust scaling."""

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .batches import pad
from .config import EOS, Profile
from .documents import tokenize_documents
from .space import Space, load_space
from .tokenizer import language_ids, load_tokenizer

GAUSSIAN_IQR = 0.7413  # 1 / (ppf(0.75) - ppf(0.25)) of the normal distribution


def encode_documents(work: Path, profile: Profile, device: str = "cpu", limit: int | None = None) -> dict:
    """Encodes the distinct sentences of each split once.

    Reads work/documents.SPLIT.npz, made from the text where it is missing, or of another `limit` (documents of each kind) and the text
    is there, which it is not on a machine that only trains. Writes work/concepts.SPLIT.npz: vectors f16 [sentences, dim], order int32
    [concepts] (which sentence each concept is), offsets int64 [documents + 1], kinds uint8 [documents].
    """
    tokens = work / "documents.train.npz"
    if not tokens.exists() or (_limit_of(tokens) != limit and any((work / "text").glob("*.train.jsonl"))):
        tokenize_documents(work, profile, limit)
    space, counts = load_space(work, device), {}
    language = language_ids(load_tokenizer(work))["en"]
    for split in ("train", "valid"):
        data = np.load(work / f"documents.{split}.npz")
        ids, starts = data["ids"].astype(np.int64), data["starts"]
        rows = [ids[start:end] for start, end in itertools.pairwise(starts)]
        vectors = encode_rows(space, rows, language, device, profile.space.batch_tokens * 2)
        np.savez(
            work / f"concepts.{split}.npz",
            vectors=vectors.astype(np.float16),
            order=data["order"],
            offsets=data["offsets"],
            kinds=data["kinds"],
        )
        counts[split] = {
            "documents": len(data["offsets"]) - 1,
            "sentences": len(rows),
            "concepts": len(data["order"]),
        }
    return counts


def _limit_of(tokens: Path) -> int | None:
    with np.load(tokens) as data:
        return int(data["limit"]) if "limit" in data else None


@torch.inference_mode()
def encode_rows(
    space: Space, rows: list[np.ndarray], language: int, device: str, batch_tokens: int
) -> np.ndarray:
    """Piece ids of sentences in one language -> vectors f32 [n, dim], in batches of similar length."""
    most = space.encoder.encoder_frontend.positions.shape[0] - 2
    lengths = np.minimum([len(row) for row in rows], most)
    order = np.argsort(lengths, kind="stable")
    vectors = np.zeros((len(rows), space.sizes["dim"]), np.float32)
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // (2 + lengths[order[min(len(order) - 1, start + 64)]]))
        picked = order[start : start + count]
        ids = pad([np.concatenate([[language], rows[i][:most], [EOS]]) for i in picked]).to(device)
        vectors[picked] = space.encoder(ids, ids != 0).float().cpu().numpy()
        start += count
    return vectors


def fit_normalizer(work: Path) -> dict:
    """Median and 0.7413 · interquartile range per dimension, over concepts as often as documents use them.

    These are the quartiles the reference intends; its code asks for the 0.25th to 0.75th percentile (lcm.md §1).
    """
    data = np.load(work / "concepts.train.npz")
    sample = np.random.default_rng(0).choice(data["order"], min(len(data["order"]), 100_000), replace=False)
    vectors = data["vectors"][sample].astype(np.float32)
    low, center, high = np.quantile(vectors, [0.25, 0.5, 0.75], axis=0).astype(np.float32)
    scale = np.maximum(GAUSSIAN_IQR * (high - low), 1e-4)
    torch.save({"center": torch.from_numpy(center), "scale": torch.from_numpy(scale)}, work / "normalizer.pt")
    spread = ((vectors - center) / scale).std(0)
    return {"scale_mean": float(scale.mean()), "normalized_std_mean": float(spread.mean())}


class Documents:
    """Documents of a split as normalised concept sequences."""

    def __init__(self, work: Path, split: str):
        data = np.load(work / f"concepts.{split}.npz")
        normalizer = torch.load(work / "normalizer.pt")
        vectors = torch.from_numpy(data["vectors"]).float()
        self.vectors = (vectors - normalizer["center"]) / normalizer["scale"]
        self.order = torch.from_numpy(data["order"]).long()
        self.offsets, self.kinds = data["offsets"], data["kinds"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def shares(self, wide: float) -> np.ndarray:
        """Chance of each document to be drawn: `wide` for all documents together that are no simple stories, if there are any."""
        stories = self.kinds == 0
        if stories.all() or not stories.any():
            return np.full(len(self), 1 / len(self))
        return np.where(stories, (1 - wide) / stories.sum(), wide / (~stories).sum())

    def rows(self, index: int) -> Tensor:
        """Indices into `vectors` of one document's concepts."""
        return self.order[self.offsets[index] : self.offsets[index + 1]]

    def pad(self, rows: list[Tensor]) -> Tensor:
        """Ragged sentence indices -> [n, length], -1 where there is no concept."""
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Padded indices [n, length] -> concepts [n, length, dim] and a mask [n, length], true where there is a concept."""
        return self.vectors[rows.clamp(min=0)], rows >= 0

    def to(self, device: str) -> "Documents":
        """Moves the vectors, so that batches are gathered where they are used."""
        self.vectors = self.vectors.to(device)
        return self
