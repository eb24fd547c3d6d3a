"""Which of several drawn drafts of a sentence is kept, as the browser chooses (`src/engine/drafts.ts`)."""

import re

REPEATED = 4  # as many words in a row say again what the text has said; of a shorter sentence all
_WORD = re.compile(r"[^\W_]+")
_INSIDE = re.compile(r"(?:[^\W_]|[,;'’]|,[\"”»]) +$")  # before a word that does not begin a sentence


def best_draft(drafts: list[str], text: list[str]) -> int:
    """Index of the first of drafts, likeliest first, that neither says again what the text says nor has a name that is not in it.

    Where all have a fault: the first with only a strange name, else the first. Not for languages that write nouns with a capital.
    """
    told = [in_a_row(words(sentence)) for sentence in text]
    known = {word for sentence in text for word in _WORD.findall(sentence)}

    def faults(draft: str) -> int:
        said = words(draft)
        runs = [
            in_a_row(said[at : at + REPEATED])
            for at in range(min(len(said), max(1, len(said) - REPEATED + 1)))
        ]
        repeats = any(run in sentence for run in runs for sentence in told)
        return 2 * repeats + any(name not in known for name in names(draft))

    counted = [faults(draft) for draft in drafts]
    return counted.index(min(counted))


def words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())


def in_a_row(words: list[str]) -> str:
    """With a space before and after each, so that none is found in a longer one."""
    return f" {' '.join(words)} "


def names(text: str) -> list[str]:
    """Words of two letters or more with a capital inside a sentence."""
    return [
        found[0]
        for found in _WORD.finditer(text)
        if len(found[0]) > 1 and found[0][0].isupper() and _INSIDE.search(text, 0, found.start())
    ]
