"""Steps `encode` and `normalizer`: documents as sentence vectors, and their robust scaling."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .batches import pad
from .config import EOS
from .space import Space, load_space
from .text import read_lines
from .tokenizer import language_ids, load_tokenizer

GAUSSIAN_IQR = 0.7413  # 1 / (ppf(0.75) - ppf(0.25)) of the normal distribution


def encode_documents(
    work: Path, device: str = "cpu", batch_tokens: int = 16_000, limit: int | None = None
) -> dict:
    """Encodes the distinct sentences of each split once.

    Writes work/concepts.SPLIT.npz: vectors f16 [sentences, dim], order int32 [concepts] (which sentence each concept
    is), offsets int64 [documents + 1].
    """
    space, counts = load_space(work, device), {}
    for split in ("train", "valid"):
        path = work / "text" / f"stories.{split}.jsonl"
        documents = [json.loads(line)["sentences"] for line in islice(read_lines(path), limit)]
        index: dict[str, int] = {}
        order = [[index.setdefault(sentence, len(index)) for sentence in document] for document in documents]
        vectors = encode_sentences(space, work, list(index), device, batch_tokens)
        np.savez(
            work / f"concepts.{split}.npz",
            vectors=vectors.astype(np.float16),
            order=np.concatenate(order).astype(np.int32),
            offsets=np.cumsum([0, *map(len, order)]),
        )
        counts[split] = {
            "documents": len(documents),
            "sentences": len(index),
            "concepts": sum(map(len, order)),
        }
    return counts


@torch.inference_mode()
def encode_sentences(
    space: Space, work: Path, sentences: list[str], device: str, batch_tokens: int
) -> np.ndarray:
    """English sentences -> vectors f32 [n, dim], in batches of similar length."""
    tokenizer = load_tokenizer(work)
    language, most = language_ids(tokenizer)["en"], space.encoder.encoder_frontend.positions.shape[0] - 2
    rows = [np.array([language, *e.ids[:most], EOS]) for e in tokenizer.encode_batch_fast(sentences)]
    order = np.argsort([len(row) for row in rows], kind="stable")
    vectors = np.zeros((len(rows), space.sizes["dim"]), np.float32)
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // len(rows[order[min(len(order) - 1, start + 64)]]))
        picked = order[start : start + count]
        ids = pad([rows[i] for i in picked]).to(device)
        vectors[picked] = space.encoder(ids, ids != 0).cpu().numpy()
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
        self.offsets = data["offsets"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def rows(self, index: int) -> Tensor:
        """Indices into `vectors` of one document's concepts."""
        return self.order[self.offsets[index] : self.offsets[index + 1]]

    def batch(self, rows: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Padded concepts [n, length, dim] and a mask [n, length], 1 where there is a concept."""
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        return self.vectors[padded.clamp(min=0)], padded >= 0
