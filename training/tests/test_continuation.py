import numpy as np
import torch

from noema_training.comparison import continuation

DECODING = {"endOfTextThreshold": 0.9, "stopOnRepetitionThreshold": 0.9}
END = torch.tensor([0.0, 0.0, 1.0])
WORDS = {"right": [1.0, 0.0, 0.0], "up": [0.0, 1.0, 0.0], "end": [0.0, 0.0, 1.0]}


class Space:
    """Says the nearest of three words, and reads it exactly."""

    def decode(self, vectors):
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

    start = torch.tensor([[WORDS["right"]]])
    settings = DECODING | decoding
    return continuation(Space(), start, len(script), step, settings, END, torch.Generator())


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
