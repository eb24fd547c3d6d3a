"""Beam search with an exported space, and the choice of the nearest sentence (`beam.ts` and `nearest.ts` in `src/space`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .config import EOS, PAD

if TYPE_CHECKING:
    from .runtime import ExportedSpace

ROWS = 160  # vectors times beam in one run
ROUNDING = 1e-3  # share of a vector's length under which distances say nothing
# Searching again, as in `nearest.ts`: how often, how far beyond the vector, and which distances, as shares of its length, call for it.
ROUNDS, OVERSHOOT, ARRIVED, REACH = 4, 0.5, 0.01, 0.33


@dataclass(frozen=True)
class Found:
    """A sentence and its log-probability per token."""

    text: str
    score: float


def beam_search(
    space: ExportedSpace, embeddings: np.ndarray, language: str, beam: int, prefix: bool = True
) -> list[list[Found]]:
    """Of each embedding [n, dim] what the search finds in the reference's bookkeeping (sonar.md §3), the likeliest first.

    `prefix`: whether the language token counts, as there.
    """
    batch = max(1, ROWS // beam)
    found = []
    for start in range(0, len(embeddings), batch):
        found += _search(space, embeddings[start : start + batch], language, beam, prefix)
    return found


@dataclass(frozen=True)
class Read:
    """A sentence with its own vector, the distance of that from the one looked for, and what it is worth."""

    found: Found
    vector: np.ndarray
    distance: float
    value: float


def nearest_first(
    space: ExportedSpace,
    found: list[list[Found]],
    embeddings: np.ndarray,
    language: str,
    beam: int,
    rounds: int = ROUNDS,
) -> list[list[Found]]:
    """The same, ordered by log-probability per token less ln of the distance of a sentence's own vector from the embedding.

    To be found without the prefix: the same for all, over the length it would be a prize for long sentences. Where the first is near
    but not there, the best that was not tried yet is corrected: the search runs again for the embedding plus half of what it
    exceeds that sentence's vector by, `rounds` times at most.
    """
    read: list[list[Read]] = [[] for _ in found]
    vectors: dict[str, np.ndarray] = {}

    def add(rows: list[int], new: list[list[Found]]) -> None:
        texts = list({one.text: None for each in new for one in each if one.text and one.text not in vectors})
        vectors.update(zip(texts, space.encode(texts, language), strict=True) if texts else ())
        for row, each in zip(rows, new, strict=True):
            known = {one.found.text for one in read[row]}
            for one in each:
                if one.text not in known:
                    known.add(one.text)
                    read[row].append(_read(one, vectors, embeddings[row]))
            read[row].sort(key=lambda one: -one.value)

    add(list(range(len(found))), found)
    tried: list[set[str]] = [set() for _ in found]
    for _ in range(rounds):
        rows, targets = [], []
        for row, embedding in enumerate(embeddings):
            length = np.linalg.norm(embedding)
            if not read[row] or not ARRIVED * length < read[row][0].distance <= REACH * length:
                continue
            best = next(
                (one for one in read[row] if one.found.text and one.found.text not in tried[row]), None
            )
            if best is not None:
                tried[row].add(best.found.text)
                rows.append(row)
                targets.append(embedding + OVERSHOOT * (embedding - best.vector))
        if not rows:
            break
        add(rows, beam_search(space, np.stack(targets), language, beam, prefix=False))
    return [[one.found for one in each] for each in read]


def _read(found: Found, vectors: dict[str, np.ndarray], embedding: np.ndarray) -> Read:
    if found.text not in vectors:
        return Read(found, embedding, math.inf, -math.inf)
    distance = float(np.linalg.norm(vectors[found.text] - embedding))
    value = found.score - math.log(distance + ROUNDING * float(np.linalg.norm(embedding)))
    return Read(found, vectors[found.text], distance, value)


def _search(
    space: ExportedSpace, embeddings: np.ndarray, language: str, beam: int, prefix: bool
) -> list[list[Found]]:
    n, token = len(embeddings), space.languages[language]
    conditioning = space.conditioning.run(None, {"embeddings": embeddings.astype(np.float32)})[0]
    shape = (space.decoder["layers"], n, space.decoder["heads"], 0, space.decoder["headDim"])
    cache = [np.zeros(shape, np.float32)] * 2

    def step(ids: list[int], sentences: list[int], parents: list[int]) -> torch.Tensor:
        feed = {"input_ids": np.array(ids)[:, None], "conditioning": conditioning[sentences]}
        feed |= {"past_key": cache[0], "past_value": cache[1], "beam_index": np.array(parents)}
        logits, *cache[:] = space.step.run(None, feed)
        return torch.from_numpy(logits).log_softmax(-1)

    everyone = list(range(n))
    begun = step([EOS] * n, everyone, everyone)[:, token] * prefix
    alive = [[([token], score)] for score in begun.tolist()]
    finished: list[list[tuple[list[int], float]]] = [[] for _ in everyone]
    parents = everyone
    longest = space.manifest["space"]["maxTokens"]
    while any(alive):
        rows = [(sentence, *row) for sentence in everyone for row in alive[sentence]]
        logs = step([pieces[-1] for _, pieces, _ in rows], [row[0] for row in rows], parents)
        vocabulary = logs.shape[1]
        logs[:, PAD] = -torch.inf
        if len(rows[0][1]) + 2 == longest:  # nothing but an end has room
            logs[:, torch.arange(vocabulary) != EOS] = -torch.inf
        totals = logs + torch.tensor([score for *_, score in rows])[:, None]
        parents, first = [], 0
        for sentence in everyone:
            count = len(alive[sentence])
            own = totals[first : first + count].flatten()
            values, places = own.topk(min(2 * beam, len(own)))
            best = [
                (*divmod(place, vocabulary), value)  # row, piece, score
                for value, place in zip(values.tolist(), places.tolist(), strict=True)
                if value > -np.inf
            ]
            ends = [(alive[sentence][row][0], value) for row, piece, value in best[:beam] if piece == EOS]
            finished[sentence] += ends[: beam - len(finished[sentence])]
            is_over = len(finished[sentence]) == beam
            going = [] if is_over else [one for one in best if one[1] != EOS][:beam]
            alive[sentence] = [([*alive[sentence][row][0], piece], value) for row, piece, value in going]
            parents += [first + row for row, _, _ in going]
            first += count
    texts = [
        [
            Found(space.tokenizer.decode(pieces[1:]).strip(), value / (len(pieces) + 1))
            for pieces, value in one
        ]
        for one in finished
    ]
    return [sorted(one, key=lambda found: -found.score) for one in texts]
