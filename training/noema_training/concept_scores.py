"""Scores of a concept model on held-out documents: teacher-forced distances, choice of decoding, continuations."""

import json
import re
from dataclasses import asdict, replace
from itertools import islice, pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .base_lcm import BaseLcm
from .diffusion import Decoding, generate, sample_rows
from .metrics import contrastive_accuracy
from .runtime import ExportedSpace
from .text import read_lines
from .two_tower import TwoTower, context_mask

END_OF_TEXT_THRESHOLD = 0.9
REPETITION_THRESHOLD = 0.9
LONGEST = 40
TEMPERATURES = (0.1, 0.2, 0.3, 0.5, 0.7)


class HeldOut:
    """Held-out documents encoded by an exported space, padded to [documents, length, dim] raw concepts."""

    def __init__(
        self,
        work: Path,
        space: ExportedSpace,
        limit: int | None,
        name: str = "stories.valid.jsonl",
        language: str = "eng_Latn",
    ):
        path, self.language = work / "text" / name, language
        lines = islice(read_lines(path), limit)
        self.documents = [json.loads(line)["sentences"][:LONGEST] for line in lines]
        index: dict[str, int] = {}
        order = [torch.tensor([index.setdefault(s, len(index)) for s in doc]) for doc in self.documents]
        self.bank = torch.from_numpy(space.encode(list(index), language))
        self.index = torch.nn.utils.rnn.pad_sequence(order, batch_first=True, padding_value=-1)
        self.concepts = self.bank[self.index.clamp(min=0)]
        self.scored = self.index >= 0
        self.scored[:, 0] = False

    def truth(self, rows: Tensor) -> Tensor:
        """Which sentence of `bank` each flat index into the documents is."""
        return self.index.flatten()[rows]

    def neighbours(self, rows: Tensor) -> Tensor:
        """Sentences before and after each flat index [n, 2]; its own where there is none."""
        flat, length, truth = self.index.flatten(), self.index.shape[1], self.truth(rows)
        found = []
        for step in (-1, 1):
            inside = (rows % length + step >= 0) & (rows % length + step < length)
            near = torch.where(inside, flat[(rows + step).clamp(0, len(flat) - 1)], truth)
            found.append(torch.where(near >= 0, near, truth))
        return torch.stack(found, dim=1)

    def contrastive_accuracy(self, predicted: Tensor, rows: Tensor) -> float:
        """CA (lcm.md §9) among all held-out sentences. rows: flat indices of predictions into the documents."""
        return contrastive_accuracy(predicted, self.bank, self.truth(rows), self.neighbours(rows))


@torch.no_grad()
def predict(model: TwoTower, held_out: HeldOut, decoding: Decoding, seed: int = 0) -> Tensor:
    """Raw next-concept predictions [documents, length, dim] from true contexts, sampled with fixed noise."""
    normalized = model.sonar_normalizer.normalize(held_out.concepts)
    length = normalized.shape[1]
    noise = torch.randn(normalized.shape, generator=torch.Generator().manual_seed(seed))
    mask = context_mask(length, length)[None, None]
    clean = sample_rows(model, model.contextualize(normalized), noise, decoding, mask)
    return model.sonar_normalizer.denormalize(clean)


def teacher_forced(model: TwoTower, space: ExportedSpace, held_out: HeldOut, decoding: Decoding) -> dict:
    """l2, l2 after decoding to text and back, and CA, of the model and of two baselines."""
    concepts = held_out.concepts
    rows = held_out.scored.flatten().nonzero()[:, 0]
    counts = torch.arange(1, concepts.shape[1] + 1)[:, None]
    before = lambda x: F.pad(x[:, :-1], (0, 0, 1, 0)).flatten(0, 1)[rows]  # noqa: E731
    truth = concepts.flatten(0, 1)[rows]
    predictions = {
        "model": predict(model, held_out, decoding).flatten(0, 1)[rows],
        "mean of context": before(concepts.cumsum(1) / counts),
        "copy of last": before(concepts),
    }
    scores = {}
    for name, predicted in predictions.items():
        scores[name] = {
            "l2": (predicted - truth).norm(dim=1).mean().item(),
            "ca": held_out.contrastive_accuracy(predicted, rows),
        }
    read = torch.from_numpy(space.encode(space.decode(predictions["model"].numpy())))
    scores["model, decoded and read again"] = {
        "l2": (read - truth).norm(dim=1).mean().item(),
        "ca": held_out.contrastive_accuracy(read, rows),
    }
    return {"concepts": len(rows), "norm": truth.norm(dim=1).mean().item(), **scores}


def repeats_word(text: str) -> bool:
    """Whether a word follows itself at once: how the decoder writes a vector that lies between sentences."""
    words = re.findall(r"\w+", text.lower())
    return any(word == after for word, after in pairwise(words))


def tune(model: TwoTower, space: ExportedSpace, held_out: HeldOut, sample: int = 200) -> list[dict]:
    """Scores a small grid of decoding settings, best first.

    Ordered by CA of what a reader gets (the prediction decoded to text and encoded again, so that a vector between
    sentences gains nothing) times the share of texts in which no word follows itself.
    """
    rows = sampled_rows(held_out, sample)

    def score(decoding: Decoding) -> dict:
        predicted = predict(model, held_out, decoding).flatten(0, 1)[rows]
        return asdict(decoding) | score_settings(predicted, space, held_out, rows)

    results = []
    for steps in (2, 20):
        for guidance, rescale in ((1.0, 0.0), (1.5, 0.0), (1.5, 0.7), (2.0, 0.7), (3.0, 0.7)):
            for noise in (0.2, 0.4, 0.6, 1.0):
                results.append(score(Decoding(steps, guidance, rescale, noise)))
    best = max(results, key=merit)
    known = {name: best[name] for name in asdict(Decoding())}
    results += [score(replace(Decoding(**known), steps=steps)) for steps in (1, 4, 10, 50)]
    return sorted(results, key=merit, reverse=True)


def tune_base(model: BaseLcm, space: ExportedSpace, held_out: HeldOut, sample: int = 200) -> list[dict]:
    """Scores temperatures in the same way, best first. None is 0: another seed shall give another text."""
    rows = sampled_rows(held_out, sample)
    normalizer = model.sonar_normalizer
    clean = model(normalizer.normalize(held_out.concepts)).flatten(0, 1)[rows - 1]
    results = []
    for temperature in TEMPERATURES:
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        predicted = normalizer.denormalize(clean + temperature * noise)
        results.append({"temperature": temperature} | score_settings(predicted, space, held_out, rows))
    return sorted(results, key=merit, reverse=True)


def sampled_rows(held_out: HeldOut, sample: int) -> Tensor:
    """Flat indices of at most `sample` scored concepts, always the same."""
    rows = held_out.scored.flatten().nonzero()[:, 0]
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:sample]]


def score_settings(predicted: Tensor, space: ExportedSpace, held_out: HeldOut, rows: Tensor) -> dict:
    """Scores of raw predictions [n, dim] of the concepts at flat indices `rows` [n], before and after they are text."""
    truth = held_out.concepts.flatten(0, 1)[rows]
    texts = space.decode(predicted.numpy())
    read = torch.from_numpy(space.encode(texts))
    return {
        "l2": (predicted - truth).norm(dim=1).mean().item(),
        "ca": held_out.contrastive_accuracy(predicted, rows),
        "l2_read": (read - truth).norm(dim=1).mean().item(),
        "ca_read": held_out.contrastive_accuracy(read, rows),
        "repeats": sum(map(repeats_word, texts)) / len(texts),
    }


def merit(entry: dict) -> float:
    """What settings are chosen by."""
    return entry["ca_read"] * (1 - entry["repeats"])


def continuations(
    model: TwoTower,
    space: ExportedSpace,
    held_out: HeldOut,
    decoding: Decoding,
    stories: int,
    prompt: int = 4,
) -> list[dict]:
    """Free continuations of the first sentences of the first stories, one a world, unselected."""
    end = torch.from_numpy(space.encode([space.manifest["space"]["endOfText"]]))[0]
    beam = space.manifest["conceptModels"]["two-tower"]["decoding"]["beam"]
    results = []
    for number in range(min(stories, len(held_out.documents))):
        noise = torch.Generator().manual_seed(number)
        start = held_out.concepts[number : number + 1, :prompt]
        dim = start.shape[-1]
        draw = lambda _: torch.randn(1, dim, generator=noise)  # noqa: B023, E731
        generated = generate(model, start, 14, decoding, draw)[0]
        count = free_length(torch.cat([start[0, -1:], generated]), end)
        kept = generated[:count].numpy()
        results.append(
            {
                "prompt": held_out.documents[number][:prompt],
                "continuation": space.say(kept, "eng_Latn", beam),
                "in French": space.say(kept, "fra_Latn", beam),
                "ended": count < len(generated),
            }
        )
    return results


def free_length(
    concepts: Tensor,
    end: Tensor,
    repetition: float = REPETITION_THRESHOLD,
    end_of_text: float = END_OF_TEXT_THRESHOLD,
) -> int:
    """How many concepts after the first are kept by the reference's stop rules (lcm.md §5)."""
    for index in range(2, len(concepts)):
        ends = F.cosine_similarity(concepts[index], end, dim=0) >= end_of_text
        repeats = F.cosine_similarity(concepts[index], concepts[index - 1], dim=0) >= repetition
        if ends or repeats:
            return index - 1
    return len(concepts) - 1
