"""Marked drafts in training/marks: what was drawn as the next sentence of simple openings, and how well each draft follows.

A line of a file is one JSON object: `text`, the sentences so far; `drafts`, sentences that a mini drew to follow them; `marks`, one a
draft, given by a language model: 3 follows naturally, 2 is passable, 1 is a sentence that does not belong there, 0 is broken or nonsense.
"""

import json
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .text import read_lines

MARKS = Path(__file__).resolve().parent.parent / "marks"
BEST = 3
VALID_PERCENT = 10


@dataclass(frozen=True)
class MarkedDrafts:
    """One beginning of a story and its drafts."""

    text: tuple[str, ...]
    drafts: tuple[str, ...]
    marks: tuple[int, ...]

    @property
    def is_held_out(self) -> bool:
        """By the first sentence, so that all beginnings of one story are held out together."""
        return zlib.crc32(self.text[0].encode()) % 100 < VALID_PERCENT


def read_marked_drafts(folder: Path = MARKS, limit: int | None = None) -> list[MarkedDrafts]:
    """All of a folder, in the order of its files; at most `limit` a file. Raises ValueError naming file and line that is none."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(islice(read_lines(path), limit), 1):
            try:
                entry = json.loads(line)
                marked = MarkedDrafts(*(tuple(entry[name]) for name in ("text", "drafts", "marks")))
                fit = marked.text and len(marked.drafts) == len(marked.marks) > 1
                if not fit or not set(marked.marks) <= set(range(BEST + 1)):
                    raise ValueError("wants a text, two drafts or more, and a mark from 0 to 3 for each")
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path.name}, line {number}: no marked drafts ({error})") from error
            found.append(marked)
    return found
