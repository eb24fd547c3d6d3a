"""Text cleaning and sentence splitting shared by every step."""

import lzma
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"'})
_SPACES = re.compile(r"\s+")
_BOUNDARY = re.compile(r"""[.!?]+["')]*\s+""")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof)\.\s+$")


def clean(text: str) -> str:
    """NFKC, straight quotes, single spaces: the form the tokenizer's normalizer also produces."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).translate(_QUOTES)).strip()


def split_sentences(text: str) -> list[str]:
    """Sentences of a paragraph: cut after `.!?` and closing quotes unless a lower-case word follows."""
    sentences, start = [], 0
    for match in _BOUNDARY.finditer(text):
        following = text[match.end() : match.end() + 2].lstrip("\"'(")
        if not following or following[0].islower() or _ABBREVIATION.search(text[start : match.end()]):
            continue
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    if text[start:].strip():
        sentences.append(text[start:].strip())
    return sentences


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a plain or xz-compressed UTF-8 file, without the newline."""
    with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n")


def write_lines(path: Path, lines) -> int:
    """Writes lines atomically and returns their number."""
    temporary = path.with_suffix(path.suffix + ".part")
    count = 0
    with temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    temporary.replace(path)
    return count
