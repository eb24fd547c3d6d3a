"""Beam search with an exported space, and the choice of the nearest sentence (`beam.ts` and `nearest.ts` in `src/space`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .config import EOS, PAD

if TYPE_CHECKING:
    from .runtime import ExportedSpace

ROWS = 160  # vectors times beam in one run
ROUNDING = 1e-3  # share of a vector's length under which distances say nothing


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


def nearest_first(
    space: ExportedSpace, found: list[list[Found]], embeddings: np.ndarray, language: str
) -> list[list[Found]]:
    """The same, ordered by log-probability per token less ln of the distance of a sentence's own vector from the embedding.

    To be found without the prefix: the same for all, over the length it would be a prize for long sentences.
    """
    texts = list({one.text: None for all_found in found for one in all_found if one.text})
    read = dict(zip(texts, space.encode(texts, language), strict=True))

    def value(one: Found, vector: np.ndarray) -> float:
        if one.text not in read:
            return -np.inf
        distance = np.linalg.norm(read[one.text] - vector)
        return one.score - float(np.log(distance + ROUNDING * np.linalg.norm(vector)))

    return [
        sorted(all_found, key=lambda one: -value(one, vector))
        for all_found, vector in zip(found, embeddings, strict=True)
    ]


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
