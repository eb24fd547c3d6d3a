"""Short stories in training/stories, told with other names and things each time.

A file holds stories of one sentence a line, separated by blank lines. `{Mia}` is a girl's name, `{Tom}` a boy's; each stands for one other
name of its kind throughout a telling. `{red|blue}` is drawn once a telling: where the same alternatives stand again, so does the choice.
"""

import json
import random
import re
import zlib
from functools import cache
from pathlib import Path

from .config import END_OF_TEXT
from .text import clean, split_sentences
from .worlds import NAMES

STORIES = Path(__file__).resolve().parent.parent / "stories"
GIRLS = ["Mia", "Lily", "Anna", "Sara", "Nora", "Ella", "Ruby", "Zoe", "Lucy", "Clara"]
BOYS = ["Tom", "Ben", "Sam", "Max", "Leo", "Jack", "Finn", "Hugo", "Noah", "Milo"]
VALID_PERCENT = 4
_SLOT = re.compile(r"\{([^{}]+)\}")


def load_short_stories() -> list[str]:
    """All stories as they are written, in file order."""
    files = sorted(STORIES.glob("*.txt"))
    return [story for file in files for story in file.read_text(encoding="utf-8").strip().split("\n\n")]


def is_held_out(story: str) -> bool:
    """By the text of the story: none of its tellings are trained on."""
    return zlib.crc32(story.encode()) % 100 < VALID_PERCENT


def tell_short(story: str, seed: int) -> list[str]:
    """One telling as sentences, closed by the end-of-text sentence; seed 0 tells it as it is written, with first alternatives.

    Raises ValueError for a name in braces that is none of the twenty.
    """
    rng, drawn = random.Random(f"{seed} {story}"), {}
    for slot in dict.fromkeys(_SLOT.findall(story)):
        alternatives = slot.split("|")
        if len(alternatives) > 1:
            drawn[slot] = rng.choice(alternatives) if seed else alternatives[0]
        elif slot not in GIRLS and slot not in BOYS:
            raise ValueError(f"{{{slot}}} is no name that stories use: {', '.join(GIRLS + BOYS)}")
        else:
            others = [
                name for name in _names(slot in GIRLS) if name not in drawn.values() and name not in story
            ]
            drawn[slot] = rng.choice(others) if seed else slot
    told = _SLOT.sub(lambda slot: drawn[slot[1]], story)
    return [*split_sentences(clean(told)), END_OF_TEXT]


@cache
def _names(girls: bool) -> list[str]:
    more = json.loads(NAMES.read_text())["girls" if girls else "boys"]
    return [*(GIRLS if girls else BOYS), *more]
