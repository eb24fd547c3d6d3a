"""Stories told from the world grammars in training/worlds."""

import importlib.util
import zlib
from functools import cache
from pathlib import Path

from .config import END_OF_TEXT
from .text import clean, split_sentences

WORLDS = Path(__file__).resolve().parent.parent / "worlds"

# First names beside the 48 of the grammars' own library, so that the space learns to carry a name and not which names there are.
GIRLS = """Ada Agnes Aisha Alice Alma Amelia Amy Angela Astrid Ava Beatrice Bella Bianca Bridget Camila Carla Carmen Caroline Charlotte
Chloe Daisy Daniela Diana Dora Edith Elena Elise Eliza Elsa Emily Emma Esther Eva Eve Fiona Flora Frida Gloria Greta Hannah Helen
Ida Ines Inga Irene Iris Isabel Isla Jane Jasmine Jenny Joan Julia Karin Kate Katie Laura Layla Lea Lena Lina Linda Lisa Lola Louise
Luna Maria Marie Martha Mary Matilda Mei Mila Molly Monica Nadia Naomi Nina Olivia Paula Penny Petra Polly Rachel Rita Rose Sally Sandra
Sarah Sofia Sophie Stella Susan Tara Teresa Tina Vera Victoria Violet Yara Yuki""".split()
BOYS = """Adam Ahmed Alan Albert Alex Andre Andrew Anton Arthur Bill Bob Bruno Carl Carlos Charlie Chris Daniel David Diego Eddie Edward
Elias Elliot Eric Ethan Filip Francis Frank Fred Gabriel George Harry Henry Ian Isaac Jacob Jake James Jim Joe John Jonah Jorge Joseph
Juan Julian Karl Kevin Kenji Lars Liam Louis Lucas Luke Marco Mario Mark Martin Mateo Matt Michael Miguel Mike Nathan Nick Nico Oliver
Otto Owen Pablo Pat Paul Pedro Philip Ralph Ray Richard Rob Robert Robin Roy Samir Simon Stefan Steve Thomas Tim Toby Tony Victor Walter
Will Xavier""".split()


@cache
def _expand(more_names: bool = False):
    spec = importlib.util.spec_from_file_location("noema_worlds_expand", WORLDS / "expand.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if more_names:
        library = module.LIBRARY
        library["@girl"] += [{"name": name, **module.GIRL} for name in GIRLS]
        library["@boy"] += [{"name": name, **module.BOY} for name in BOYS]
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
