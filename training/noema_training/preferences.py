"""Marked drafts as a loss: of two drafts for one place, the better one shall have the higher score.

The score is that by which drafts are also chosen (`ExportedSpace.draft`): the log-probability over the square root of the number of pieces.
No reference model is needed, as in SimPO (Meng et al. 2024, arXiv 2405.14734, eq. 6), where the score is the mean and the better answer has
won; here it has the higher mark, and the margin grows with the difference. What is said everywhere ("I will help you") is worth less than
its mark: it is found fitting each time, and a text of nothing else is dull.
"""

import math
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base_lcm import BaseLcm
from .batches import pad
from .concepts import encode_rows
from .config import EOS, PAD, DecoderConfig
from .drafts import word_runs
from .marked_drafts import MARKS, MarkedDrafts, read_marked_drafts
from .sonar import Decoder
from .space import Space, load_space
from .tokenizer import language_ids, load_tokenizer
from .tuned import load_base_lcm

BATCH_TOKENS = 12_000
MOST_PIECES = 60
WRITTEN = -1  # stands for the mark of a written sentence
COMMON = 4  # words in a row that make drafts alike
TEXTS = 64  # scored at once in validation


class Preferences:
    """Marked drafts as tensors: of each text its raw concepts; of each draft its pieces, mark and commonness.

    A written sentence stands after the drafts of its text and has the mark WRITTEN.
    """

    def __init__(self, marked: list[MarkedDrafts], space: Space, work: Path, device: str = "cpu"):
        tokenizer = load_tokenizer(work)
        self.language, self.device = language_ids(tokenizer)["en"], device

        def encode(sentences: list[str]) -> list[np.ndarray]:
            return [np.asarray(e.ids[:MOST_PIECES], np.int64) for e in tokenizer.encode_batch_fast(sentences)]

        at: dict[str, int] = {}
        rows = [[at.setdefault(sentence, len(at)) for sentence in entry.text] for entry in marked]
        vectors = torch.from_numpy(
            encode_rows(space, encode(list(at)), self.language, device, BATCH_TOKENS)
        ).to(device)
        self.texts = nn.utils.rnn.pad_sequence([vectors[row] for row in rows] or [vectors], batch_first=True)
        self.lengths = torch.tensor([len(row) for row in rows], device=device)
        sentences = [(*entry.drafts, *([entry.written] if entry.written else [])) for entry in marked]
        marks = [(*entry.marks, *([WRITTEN] if entry.written else [])) for entry in marked]
        self.pieces = encode(list(chain(*sentences)))
        self.marks = torch.tensor(list(chain(*marks)), device=device)
        self.commonness = torch.tensor(commonness(sentences), device=device)
        self.starts = np.cumsum([0, *map(len, sentences)])

    def __len__(self) -> int:
        return len(self.lengths)

    def score(
        self, model: BaseLcm, decoder: Decoder, picked: np.ndarray, noise: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of all drafts of the picked texts: which of these it belongs to, its index and its score [drafts]."""
        counts = np.diff(self.starts)[picked]
        drafts = np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in picked])
        owners = torch.from_numpy(np.repeat(np.arange(len(picked)), counts)).to(self.device)
        longest = int(self.lengths[picked].max())
        concepts = model.sonar_normalizer.normalize(self.texts[picked, :longest])
        predicted = model(concepts)[torch.arange(len(picked)), self.lengths[picked] - 1]
        predicted = predicted + noise * torch.randn_like(predicted)
        vectors = model.sonar_normalizer.denormalize(predicted.float())[owners]
        rows = [self.pieces[i] for i in drafts]
        inputs = pad([np.concatenate([[EOS, self.language], row]) for row in rows]).to(self.device)
        labels = pad([np.concatenate([[PAD], row, [EOS]]) for row in rows]).to(self.device)
        kept = labels != PAD
        logits = decoder.logits(decoder.hidden(inputs, vectors)[kept]).float()
        logs = -F.cross_entropy(logits, labels[kept], reduction="none")
        sums = logs.new_zeros(len(rows)).index_add(0, kept.nonzero()[:, 0], logs)
        return owners, torch.from_numpy(drafts).to(self.device), sums / kept.sum(1).sqrt()

    def loss(self, model: BaseLcm, decoder: Decoder, picked: np.ndarray, config: DecoderConfig) -> Tensor:
        """Mean over all pairs of drafts for one text, weighed by how much more the one is worth than the other.

        Plus `written_weight` times the cross-entropy a piece of the written sentences. They are in no pair: a mini finds them so much less
        likely than its own drafts that such pairs, which push drafts down where they cannot lift the other, break its sentences.
        """
        owners, drafts, scores = self.score(model, decoder, picked, config.marks_noise)
        written = self.marks[drafts] == WRITTEN
        counts = torch.tensor([len(self.pieces[i]) + 1 for i in drafts.tolist()], device=self.device)[written]
        lost = -(scores[written] * counts.sqrt()).sum() / counts.sum().clamp(min=1)
        total = config.written_weight * lost
        owners, drafts, scores = owners[~written], drafts[~written], scores[~written]
        worth = self.marks[drafts] - config.marks_commonness * self.commonness[drafts]
        better, worse = ((owners[:, None] == owners) & (worth[:, None] > worth)).nonzero(as_tuple=True)
        if not len(better):
            return total
        ahead = worth[better] - worth[worse]
        missing = config.marks_margin * ahead - config.marks_sharpness * (scores[better] - scores[worse])
        return total + (ahead * F.softplus(missing)).sum() / ahead.sum()

    @torch.no_grad()
    def validated(self, model: BaseLcm, decoder: Decoder) -> dict[str, float]:
        """Mean mark of the drafts with the highest scores; none without marked drafts."""
        found = []
        for start in range(0, len(self), TEXTS):
            picked = np.arange(start, min(start + TEXTS, len(self)))
            owners, drafts, scores = self.score(model, decoder, picked)
            for number in range(len(picked)):
                own = owners == number
                found.append(self.marks[drafts[own][scores[own].argmax()]].item())
        return {"valid_mark": round(float(np.mean(found)), 4)} if found else {}


def commonness(sentences: list[tuple[str, ...]]) -> list[float]:
    """Of each draft of each text, in order: ln of how many texts have the most common run of its words (`drafts.py`) among theirs."""
    runs = [[set(word_runs(draft, COMMON)) for draft in drafts] for drafts in sentences]
    texts = Counter(run for drafts in runs for run in set().union(*drafts))
    return [math.log(max((texts[run] for run in draft), default=1)) for drafts in runs for draft in drafts]


def judged_of(marked: list[MarkedDrafts]) -> list[MarkedDrafts]:
    """Those held out, without written sentences."""
    return [replace(entry, written=None) for entry in marked if entry.is_held_out and entry.marks]


def judge(work: Path, folder: Path = MARKS) -> dict[str, float]:
    """On held-out marked drafts: the mean mark of those that the models of a work directory keep, of all, and of the best there are.

    Empty where the folder has none.
    """
    held_out = judged_of(read_marked_drafts(folder))
    if not held_out:
        return {}
    space, model = load_space(work), load_base_lcm(work)[0].eval()
    kept = Preferences(held_out, space, work).validated(model, space.decoder)["valid_mark"]
    return {
        "texts": len(held_out),
        "drafts": sum(len(entry.marks) for entry in held_out),
        "kept": kept,
        "all": float(np.mean([mark for entry in held_out for mark in entry.marks])),
        "best": float(np.mean([max(entry.marks) for entry in held_out])),
    }
