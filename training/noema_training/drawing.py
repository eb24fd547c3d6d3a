"""Step `draw`: drafts that a model folder draws for the next sentences of openings, for somebody to mark or to write a better one.

Each opening is followed by some of what the folder says next, so that texts are such as it meets when it goes on.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from .drafts import least_faulty
from .runtime import ExportedSpace, load_base
from .text import clean, read_lines, split_sentences, write_lines

TEXTS = 64  # at once
CHOICES = 8  # drafts of a text at most
MOST_SENTENCES = 4  # that follow an opening


class Drawer:
    """A model folder's Base-LCM and decoder."""

    def __init__(self, folder: Path, seed: int):
        self.space, self.model = ExportedSpace(folder), load_base(folder)
        self.decoding = self.space.manifest["conceptModels"]["base-lcm"]["decoding"]
        self.random = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def drafts(self, texts: list[list[str]]) -> list[list[str]]:
        """Of each text its distinct drafts: those with the fewest faults first, the likeliest of them before others."""
        vectors = torch.from_numpy(self.space.encode([sentence for text in texts for sentence in text]))
        lengths = torch.tensor([len(text) for text in texts])
        concepts = nn.utils.rnn.pad_sequence(vectors.split(lengths.tolist()), batch_first=True)
        normalizer = self.model.sonar_normalizer
        predicted = self.model(normalizer.normalize(concepts))[torch.arange(len(texts)), lengths - 1]
        noise = torch.randn(predicted.shape, generator=self.random)
        raw = normalizer.denormalize(predicted + self.decoding["temperature"] * noise).numpy()
        found = []
        for text, drawn in zip(
            texts,
            self.space.drawn(raw, self.decoding["text"] | {"drafts": CHOICES}, self.random),
            strict=True,
        ):
            drafts = list(dict.fromkeys(filter(None, drawn)))
            best = [drafts[i] for i in least_faulty(drafts, text)] if drafts else []
            found.append([*best, *(draft for draft in drafts if draft not in best)])
        return found


def draw(work: Path, folder: Path, openings: Path, limit: int | None, seed: int) -> dict:
    """Writes work/drafts.jsonl: of at most `limit` openings, one a line, `text` and `drafts`. Returns how many there are."""
    texts = [split_sentences(clean(line)) for line in read_lines(openings) if line.strip()][:limit]
    found = continued(Drawer(folder, seed), texts, random.Random(seed))
    lines = (json.dumps({"text": text, "drafts": drafts}, ensure_ascii=False) for text, drafts in found)
    return {"texts": write_lines(work / "drafts.jsonl", lines)}


def continued(
    drawer: Drawer, texts: list[list[str]], rng: random.Random
) -> Iterator[tuple[list[str], list[str]]]:
    """Openings with up to MOST_SENTENCES of the drawer's own after them, fewer where it ends the text, and drafts for the next."""
    end = drawer.space.manifest["space"]["endOfText"]
    for start in range(0, len(texts), TEXTS):
        waiting = [(list(text), rng.randint(0, MOST_SENTENCES)) for text in texts[start : start + TEXTS]]
        while waiting:
            going = []
            for (text, more), drafts in zip(
                waiting, drawer.drafts([text for text, _ in waiting]), strict=True
            ):
                if more and drafts and drafts[0] != end:
                    going.append(([*text, drafts[0]], more - 1))
                elif drafts:
                    yield text, drafts
            waiting = going
