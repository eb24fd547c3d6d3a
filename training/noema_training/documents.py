"""Documents as token arrays: what the concept models, their decoder loss and the token-level model are trained on."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .config import EOS, PAD, Profile
from .text import read_lines
from .tokenizer import language_ids, load_tokenizer

KINDS = ("stories", "novels", "tales", "encyclopedia", "dialogues", "short-stories", "summaries")


def tokenize_documents(work: Path, profile: Profile, limit: int | None = None) -> dict:
    """Writes work/documents.{train,valid}.npz from work/text/*.jsonl (English), each distinct sentence once.

    ids uint16 [tokens] and starts int64 [sentences + 1] are the pieces of the distinct sentences; order int32 [concepts] says which
    sentence each concept is; offsets int64 [documents + 1]; kinds uint8 [documents] indexes KINDS; limit int64, only where no more than
    so many documents of each kind were taken.
    """
    tokenizer, counts = load_tokenizer(work), {}
    for split in ("train", "valid"):
        index: dict[str, int] = {}
        order, lengths, kinds = [], [], []
        for number, kind in enumerate(KINDS):
            path = work / "text" / f"{kind}.{split}.jsonl"
            for line in islice(read_lines(path) if path.exists() else (), limit):
                sentences = json.loads(line)["sentences"]
                order += [index.setdefault(sentence, len(index)) for sentence in sentences]
                lengths.append(len(sentences))
                kinds.append(number)
        encoded = tokenizer.encode_batch_fast(list(index))
        pieces = [np.asarray(e.ids[: profile.space.max_pieces], np.uint16) for e in encoded]
        np.savez(
            work / f"documents.{split}.npz",
            ids=np.concatenate(pieces),
            starts=np.cumsum([0, *map(len, pieces)]),
            order=np.asarray(order, np.int32),
            offsets=np.cumsum([0, *lengths]),
            kinds=np.asarray(kinds, np.uint8),
            **({} if limit is None else {"limit": np.array(limit)}),
        )
        counts[split] = {"documents": len(lengths), "sentences": len(index), "concepts": len(order)}
    return counts


class DocumentTokens:
    """Documents of a split as lists of their sentences' pieces."""

    def __init__(self, work: Path, split: str):
        data = np.load(work / f"documents.{split}.npz")
        self.ids, self.starts = data["ids"], data["starts"]
        self.order, self.offsets = data["order"], data["offsets"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def sentences(self, index: int) -> list[list[int]]:
        chosen = self.order[self.offsets[index] : self.offsets[index + 1]]
        return [self.ids[self.starts[i] : self.starts[i + 1]].tolist() for i in chosen]


class SentenceTokens:
    """The distinct sentences of a split as a padded table of decoder inputs, kept on one device."""

    def __init__(self, work: Path, split: str, device: str = "cpu", language: str = "en"):
        data = np.load(work / f"documents.{split}.npz")
        starts = data["starts"]
        lengths = np.diff(starts)
        table = np.full(
            (len(lengths), int(lengths.max())), PAD, np.int16 if data["ids"].max() < 32768 else np.int32
        )
        rows = np.repeat(np.arange(len(lengths)), lengths)
        table[rows, np.arange(len(data["ids"])) - starts[:-1][rows]] = data["ids"]
        self.pieces = torch.from_numpy(table).to(device)
        self.lengths = torch.from_numpy(lengths).to(device)
        self.language = language_ids(load_tokenizer(work))[language]

    def decoder_rows(self, sentences: Tensor) -> tuple[Tensor, Tensor]:
        """Sentence indices [n] -> decoder input `</s>`, language, pieces [n, t] and labels [n, t], PAD where there is no loss."""
        lengths = self.lengths[sentences]
        longest = int(lengths.max())
        pieces = self.pieces[sentences, :longest].long()
        prefix = pieces.new_tensor([EOS, self.language]).expand(len(pieces), 2)
        inputs = torch.cat([prefix, pieces], dim=1)
        labels = torch.cat(
            [prefix.new_full((len(pieces), 1), PAD), pieces, prefix.new_full((len(pieces), 1), PAD)], dim=1
        )
        labels.scatter_(1, lengths[:, None] + 1, EOS)
        return inputs, labels
