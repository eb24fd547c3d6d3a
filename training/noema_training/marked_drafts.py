"""Marked drafts in training/marks: what was drawn as the next sentence of simple openings, and how well each draft follows.

A line of a file is one JSON object: `text`, the sentences so far; `drafts`, sentences that a mini drew to follow them; `marks`, one a
draft, given by a language model: 3 follows naturally, 2 is passable, 1 is a sentence that does not belong there, 0 is broken or nonsense;
`written`, a sentence that a language model wrote to follow them. Drafts with their marks or the written sentence may be absent.
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
    """One beginning of a story, its drafts and a better sentence, if somebody wrote one."""

    text: tuple[str, ...]
    drafts: tuple[str, ...] = ()
    marks: tuple[int, ...] = ()
    written: str | None = None

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
                found.append(_entry(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{path.name}, line {number}: no marked drafts ({error})") from error
    return found


def _entry(line: dict) -> MarkedDrafts:
    text, drafts, marks = (tuple(line.get(name, ())) for name in ("text", "drafts", "marks"))
    enough = len(drafts) > 1 or (not drafts and line.get("written"))
    if not text or not enough or len(drafts) != len(marks) or not set(marks) <= set(range(BEST + 1)):
        raise ValueError(
            "wants a text, two drafts or more with a mark from 0 to 3 for each, or a written sentence"
        )
    return MarkedDrafts(text, drafts, marks, line.get("written"))
