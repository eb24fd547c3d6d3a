"""Which of several drawn drafts of a sentence is kept, as the browser chooses (`src/engine/drafts.ts`)."""

import re

MOST_SHARED = 0.6  # share of common words from which on a sentence says again what another said
_WORD = re.compile(r"[^\W_]+")
_INSIDE = re.compile(r"(?:[^\W_]|[,;'’]|,[\"”»]) +$")  # before a word that does not begin a sentence


def best_draft(drafts: list[str], text: list[str]) -> int:
    """Index of the first of drafts, likeliest first, that neither repeats a sentence of the text nor has a name that is not in it.

    Where all have a fault: the first with a name of its own, else the first. Not for languages that write nouns with a capital.
    """
    told = [words(sentence) for sentence in text]
    known = {word for sentence in text for word in _WORD.findall(sentence)}

    def faults(draft: str) -> int:
        said = words(draft)
        repeats = any(said and len(said & other) / len(said | other) >= MOST_SHARED for other in told)
        return 2 * repeats + any(name not in known for name in names(draft))

    counted = [faults(draft) for draft in drafts]
    return counted.index(min(counted))


def words(sentence: str) -> set[str]:
    return set(_WORD.findall(sentence.lower()))


def names(text: str) -> list[str]:
    """Words of two letters or more with a capital inside a sentence."""
    return [
        found[0]
        for found in _WORD.finditer(text)
        if len(found[0]) > 1 and found[0][0].isupper() and _INSIDE.search(text, 0, found.start())
    ]
