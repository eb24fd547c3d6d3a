"""Which of several drawn drafts of a sentence is kept, as the browser chooses (`src/engine/drafts.ts`)."""

import math
import re
import sys
import unicodedata

REPEATED = 3  # as many words in a row say again what the text has said; of a shorter sentence all
# A sentence begins like one of the last `ALIKE_SENTENCES` if it has the same first `ALIKE_WORDS`.
ALIKE_WORDS, ALIKE_SENTENCES = 2, 4
_SPEECH = re.compile(r'["“„”«»—]')  # what it begins with
# What stands above or below a letter is part of it; `re` has no class of these.
_MARKS = "".join(mark for mark in map(chr, range(sys.maxunicode)) if unicodedata.category(mark)[0] == "M")
_LETTER = rf"[^\W_]|[{_MARKS}]"
_WORD = re.compile(rf"[^\W_](?:{_LETTER})*")
_INSIDE = re.compile(rf"(?:{_LETTER}|[,;'’]|,[\"”»]) +$")  # before a word that does not begin a sentence


def least_faulty(drafts: list[str], text: list[str]) -> list[int]:
    """Indices of the drafts with the fewest faults, in their order.

    To say again what the text says is two faults; a name that is not in it, a beginning like that of one of its last four sentences and
    speech after speech are one each. The worst has no words. Not for languages that write nouns with a capital.
    """
    told = [in_a_row(words(sentence)) for sentence in text]
    known = {word for sentence in text for word in _WORD.findall(sentence)}

    opened = {_beginning(sentence) for sentence in text[-ALIKE_SENTENCES:]}
    spoken = text and _SPEECH.match(text[-1])

    def faults(draft: str) -> float:
        if not words(draft):
            return math.inf
        repeats = any(run in sentence for run in word_runs(draft) for sentence in told)
        strange = any(name not in known for name in names(draft))
        return 2 * repeats + strange + (_beginning(draft) in opened) + bool(spoken and _SPEECH.match(draft))

    counted = [faults(draft) for draft in drafts]
    return [index for index, count in enumerate(counted) if count == min(counted)]


def word_runs(sentence: str, length: int = REPEATED) -> list[str]:
    """Each `length` words in a row; all of a shorter sentence."""
    said = words(sentence)
    count = min(len(said), max(1, len(said) - length + 1))
    return [in_a_row(said[at : at + length]) for at in range(count)]


def words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())


def _beginning(sentence: str) -> str:
    return in_a_row(words(sentence)[:ALIKE_WORDS])


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
