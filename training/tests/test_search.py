"""Beam search with a decoder whose next piece depends on all before it, against the search through everything."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from noema_training.config import EOS, PAD
from noema_training.search import Found, beam_search, nearest_first

LANGUAGE, LONGEST, VOCABULARY = 6, 6, 7


def log_probabilities(vector: float, pieces: list[int]) -> torch.Tensor:
    seed = int(1000 * vector) + sum(piece * 8**place for place, piece in enumerate(pieces))
    return (2 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed))).log_softmax(-1)


class Step:
    """The cache holds the pieces that a row has read."""

    def run(self, _, feed):
        past = feed["past_key"][0, feed["beam_index"], 0]
        read = np.concatenate([past, feed["input_ids"].astype(np.float32)[..., None]], axis=1)
        rows = [
            log_probabilities(float(vector[0]), [int(piece) for piece in row[:, 0]])
            for vector, row in zip(feed["conditioning"], read, strict=True)
        ]
        return torch.stack(rows).numpy(), read[None, :, None], read[None, :, None]


def text_of(pieces: list[int]) -> str:
    return "".join(map(str, pieces))


SPACE = SimpleNamespace(
    manifest={"space": {"maxTokens": LONGEST}},
    languages={"lang": LANGUAGE},
    decoder={"layers": 1, "heads": 1, "headDim": 1},
    conditioning=SimpleNamespace(run=lambda _, feed: [feed["embeddings"]]),
    step=Step(),
    tokenizer=SimpleNamespace(decode=text_of),
)
VECTORS = np.array([[0.25], [0.5], [0.75]], np.float32)


def score(vector: float, pieces: list[int], prefix: bool) -> float:
    """In the reference's bookkeeping: over the length of the sequence less one."""
    sequence = [EOS, LANGUAGE, *pieces, EOS]
    logs = [
        log_probabilities(vector, sequence[:end])[sequence[end]].item() for end in range(1, len(sequence))
    ]
    return sum(logs if prefix else logs[1:]) / (len(sequence) - 1)


@pytest.mark.parametrize("prefix", [True, False])
def test_a_beam_that_drops_nothing_finds_the_best_of_everything(prefix):
    words = [piece for piece in range(VOCABULARY) if piece not in (PAD, EOS)]
    everything = [list(row) for length in range(LONGEST - 2) for row in product(words, repeat=length)]
    found = beam_search(SPACE, VECTORS, "lang", 200, prefix)
    for vector, sentences in zip(VECTORS[:, 0].tolist(), found, strict=True):
        true = {text_of(pieces): score(vector, pieces, prefix) for pieces in everything}
        assert sentences == sorted(sentences, key=lambda one: -one.score)
        for one in sentences:
            assert one.score == pytest.approx(true[one.text], abs=1e-5)
        assert sentences[0].text == max(true, key=true.get)


@pytest.mark.parametrize("beam", [1, 2, 3])
def test_each_vector_is_searched_as_if_it_were_alone(beam):
    together = beam_search(SPACE, VECTORS, "lang", beam)
    assert [len(sentences) for sentences in together] == [beam] * len(VECTORS)
    for row, sentences in zip(VECTORS, together, strict=True):
        assert beam_search(SPACE, row[None], "lang", beam) == [sentences]


def test_a_beam_of_one_takes_the_likeliest_piece_each_time():
    for vector, (sentence,) in zip(
        VECTORS[:, 0].tolist(), beam_search(SPACE, VECTORS, "lang", 1), strict=True
    ):
        read = [EOS, LANGUAGE]
        while len(read) < LONGEST:
            logs = log_probabilities(vector, read)
            logs[PAD] = -torch.inf
            piece = EOS if len(read) == LONGEST - 1 else int(logs.argmax())
            if piece == EOS:
                break
            read.append(piece)
        assert sentence.text == text_of(read[2:])


def test_the_nearest_is_first_as_in_the_browser():
    own = {"Tom ran.": [1, 0], "Tom run.": [0.8, 0.1], "Il court.": [0, 3], "He runs.": [0, 3.1]}
    space = SimpleNamespace(encode=lambda texts, _: np.array([own[text] for text in texts], np.float32))

    def first(*sentences: tuple[str, float]) -> list[str]:
        ordered = nearest_first(
            space, [[Found(*one) for one in sentences]], np.array([[1, 0]], np.float32), "lang", 5, rounds=0
        )
        return [one.text for one in ordered[0]]

    assert first(("Tom run.", -0.2), ("Tom ran.", -0.9)) == ["Tom ran.", "Tom run."]
    assert first(("He runs.", -0.2), ("Il court.", -0.9)) == ["He runs.", "Il court."]
    assert first(("", -0.1), ("Il court.", -0.9)) == ["Il court.", ""]


def test_what_is_near_is_corrected_as_in_the_browser(monkeypatch):
    own = {"a": [0.75, 0], "b": [0.875, 0], "c": [1.25, 0], "d": [1, 0.25], "e": [1, -0.25], "f": [1, 0.3]}
    space = SimpleNamespace(encode=lambda texts, _: np.array([own[text] for text in texts], np.float32))
    later, searched = iter([["b"], ["c", "d", "e"], [""], ["f"]]), []

    def search(_space, embeddings: np.ndarray, language: str, beam: int, prefix: bool) -> list[list[Found]]:
        assert (language, beam, prefix) == ("lang", 5, False)
        searched.append(embeddings.tolist())
        return [[Found(text, -1.0) for text in next(later)]]

    monkeypatch.setattr("noema_training.search.beam_search", search)

    def corrected(*texts: str) -> list[str]:
        found = [[Found(text, -1.0) for text in texts]]
        return [one.text for one in nearest_first(space, found, np.array([[1.0, 0]]), "lang", 5)[0]]

    assert corrected("a", "a") == ["b", "a", "c", "d", "e", "f", ""]
    assert searched == [[[1.125, 0]], [[1.0625, 0]], [[0.875, 0]], [[1, -0.125]]]
    own |= {"a": [1, 0.009], "b": [1, 0.34]}
    assert corrected("a") == ["a"] and corrected("b") == ["b"] and corrected("") == [""]
    assert len(searched) == 4
