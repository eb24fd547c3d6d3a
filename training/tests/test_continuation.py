import numpy as np
import pytest
import torch

from noema_training.comparison import continuation
from noema_training.runtime import ExportedSpace, nucleus

DECODING = {"endOfTextThreshold": 0.9, "stopOnRepetitionThreshold": 0.9, "beam": 1}
END = torch.tensor([0.0, 0.0, 1.0])
WORDS = {"right": [1.0, 0.0, 0.0], "up": [0.0, 1.0, 0.0], "end": [0.0, 0.0, 1.0]}


class Space:
    """Says the nearest of three words, and reads it exactly."""

    def say(self, vectors, *_):
        return [max(WORDS, key=lambda word: float(np.dot(WORDS[word], vector))) for vector in vectors]

    def encode(self, texts):
        return np.array([WORDS[text] for text in texts], np.float32)


def write(script, seen=None, **decoding):
    """Continues `right` by the concepts of the script; `seen` gets what each prediction was made from."""
    steps = iter(script)

    def step(concepts, _):
        if seen is not None:
            seen.append(concepts[0].tolist())
        return torch.tensor([[next(steps)]])

    settings = DECODING | decoding
    return continuation(Space(), ["right"], len(script), step, settings, END, torch.Generator())


def test_stops_at_the_end_of_text_and_at_repetition_but_not_at_the_first():
    assert write([[0.1, 0.0, 2.0], [0.0, 1.0, 0.0], [0.0, 0.1, 1.0], [1.0, 0.0, 0.0]]) == ["end", "up"]
    assert write([[0.0, 1.0, 0.0], [0.1, 2.0, 0.0], [1.0, 0.0, 0.0]]) == ["up"]


def test_goes_on_from_the_predictions_or_from_what_they_say():
    script = [[0.2, 0.6, 0.1], [0.7, 0.2, 0.0]]
    for reread, second in ((False, script[0]), (True, WORDS["up"])):
        seen = []
        assert write(script, seen, reread=reread) == ["up", "right"]
        assert np.allclose(seen[1][1], second)


def test_what_is_read_again_ends_a_text_too():
    far = [[0.0, 1.0, 0.0], [0.7, 0.0, 0.71], [1.0, 0.0, 0.0]]
    assert write(far) == ["up", "end", "right"]
    assert write(far, reread=True) == ["up"]


def test_drafts_are_drawn_and_the_likeliest_kept():
    class Drawn(ExportedSpace):
        """A decoder of four pieces that ends after two, whatever the vector says."""

        def __init__(self):
            self.tokenizer = self

        def decode_ids(self, embeddings, language, max_pieces=60, choose=None):
            rows = [[] for _ in embeddings]
            for _ in range(2):
                logits = np.tile(np.log(np.array([1e-9, 0.5, 0.3, 0.2], np.float32)), (len(rows), 1))
                for row, piece in zip(rows, choose(logits), strict=True):
                    row.append(int(piece))
            choose(np.zeros((len(rows), 4), np.float32))
            return rows

        def decode(self, ids):
            return " ".join(map(str, ids))

    draw = lambda drafts, top_p, seed=0, before=(): Drawn().draft(  # noqa: E731
        np.array([3.0, 2.0]),
        {"temperature": 1.0, "topP": top_p, "drafts": drafts},
        torch.Generator().manual_seed(seed),
        before,
    )
    assert len({draw(1, 1.0, seed) for seed in range(20)}) > 3
    assert {draw(64, 1.0, seed) for seed in range(5)} == {"1 1"}
    assert {draw(1, 0.4, seed) for seed in range(5)} == {"1 1"}
    assert draw(64, 1.0, before=["1 1"]) != "1 1"


@pytest.mark.parametrize(("each", "wanted"), [(-0.2625, "1"), (-0.2375, "2 2 2 2 2 2 2")])
def test_a_draft_is_scored_without_temperature_over_the_root_of_its_length(each, wanted):
    """Of one piece and the end at -0.5 each, and seven and the end: the mean prefers the long one both times, the sum the short one."""

    class Drawn(ExportedSpace):
        def __init__(self):
            self.tokenizer = self

        def decode_ids(self, embeddings, language, max_pieces=60, choose=None):
            likely = np.exp(np.array([-0.5, each], np.float32))
            for _ in range(8):
                choose(np.log(np.stack([likely, 1 - likely], 1)))
            return [[1], [2] * 7]

        def decode(self, ids):
            return " ".join(map(str, ids))

    text = {"temperature": 0.5, "topP": 0.0, "drafts": 2}
    assert Drawn().draft(np.zeros(2), text, torch.Generator().manual_seed(0), []) == wanted


def test_nucleus_keeps_the_piece_that_exceeds_the_share():
    kept = nucleus(torch.tensor([[0.1, 0.5, 0.15, 0.25]]), 0.6)
    assert torch.equal(kept, torch.tensor([[0.0, 0.5, 0.0, 0.25]]))
