"""Short stories in training/stories, told with other names and things each time.

A file holds stories of one sentence a line, separated by blank lines; a last line after `= ` says in a sentence or two what happened.
`{Mia}` is a girl's name, `{Tom}` a boy's; each stands for one other name of its kind throughout a telling. `{red|blue}` is drawn once a
telling: where the same alternatives stand again, so does the choice.
"""

import json
import random
import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .text import clean, split_sentences
from .worlds import NAMES

STORIES = Path(__file__).resolve().parent.parent / "stories"
GIRLS = ["Mia", "Lily", "Anna", "Sara", "Nora", "Ella", "Ruby", "Zoe", "Lucy", "Clara"]
BOYS = ["Tom", "Ben", "Sam", "Max", "Leo", "Jack", "Finn", "Hugo", "Noah", "Milo"]
VALID_PERCENT = 4
_SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class ShortStory:
    """As it is written, one sentence a line; the summary is empty where there is none."""

    text: str
    summary: str = ""

    @property
    def is_held_out(self) -> bool:
        """By the text: none of its tellings are trained on."""
        return zlib.crc32(self.text.encode()) % 100 < VALID_PERCENT

    @property
    def identity(self) -> str:
        return f"short-{zlib.crc32(self.text.encode()):08x}"

    def tell(self, seed: int) -> tuple[list[str], list[str]]:
        """One telling and its summary as sentences; seed 0 tells it as it is written, with first alternatives.

        Raises ValueError for a name in braces that is none of the twenty.
        """
        drawn = self._draw(seed)
        told = (_SLOT.sub(lambda slot: drawn[slot[1]], text) for text in (self.text, self.summary))
        sentences, summary = (split_sentences(clean(text)) for text in told)
        return sentences, summary

    def _draw(self, seed: int) -> dict[str, str]:
        rng, drawn = random.Random(f"{seed} {self.text}"), {}
        for slot in dict.fromkeys(_SLOT.findall(f"{self.text}\n{self.summary}")):
            alternatives = slot.split("|")
            if len(alternatives) > 1:
                drawn[slot] = rng.choice(alternatives) if seed else alternatives[0]
            elif slot not in GIRLS and slot not in BOYS:
                raise ValueError(f"{{{slot}}} is no name that stories use: {', '.join(GIRLS + BOYS)}")
            else:
                names = _names(slot in GIRLS)
                others = [name for name in names if name not in drawn.values() and name not in self.text]
                drawn[slot] = rng.choice(others) if seed else slot
        return drawn


def load_short_stories() -> list[ShortStory]:
    """All stories, in file order."""
    stories = []
    for file in sorted(STORIES.glob("*.txt")):
        for block in file.read_text(encoding="utf-8").strip().split("\n\n"):
            text, _, summary = block.partition("\n= ")
            stories.append(ShortStory(text, summary))
    return stories


@cache
def _names(girls: bool) -> list[str]:
    more = json.loads(NAMES.read_text())["girls" if girls else "boys"]
    return [*(GIRLS if girls else BOYS), *more]
