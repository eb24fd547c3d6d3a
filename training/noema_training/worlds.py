"""Stories told from the world grammars in training/worlds."""

import importlib.util
import json
import zlib
from functools import cache
from pathlib import Path

from .config import END_OF_TEXT
from .text import clean, split_sentences

WORLDS = Path(__file__).resolve().parent.parent / "worlds"

# First names beside the 48 of the grammars' own library, so that the space learns to carry a name and not which names there are.
NAMES = Path(__file__).resolve().parent.parent / "names.json"


@cache
def _expand(more_names: bool = False):
    spec = importlib.util.spec_from_file_location("noema_worlds_expand", WORLDS / "expand.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if more_names:
        library, names = module.LIBRARY, json.loads(NAMES.read_text())
        library["@girl"] += [{"name": name, **module.GIRL} for name in names["girls"]]
        library["@boy"] += [{"name": name, **module.BOY} for name in names["boys"]]
        library["@child"] = library["@girl"] + library["@boy"]
    return module


def load_worlds() -> list[dict]:
    """All worlds, in file order."""
    return [world for _, world in _expand().load(sorted(WORLDS.glob("*.json")))]


def is_held_out(world_id: str) -> bool:
    """About 8% of whole worlds, by id: their stories are never trained on."""
    return zlib.crc32(world_id.encode()) % 100 < 8


def tell(world: dict, seed: int, more_names: bool = False) -> list[str]:
    """One telling as sentences, closed by the end-of-text sentence. `more_names` draws children's names from a longer list."""
    story = _expand(more_names).tell(world, seed)
    return [*split_sentences(clean(" ".join(story["paragraphs"]))), END_OF_TEXT]
