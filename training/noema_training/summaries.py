"""Documents that end in their own summary, by which a concept model learns to write one.

A document is the text, the sentence SUMMARY, the summary and the end of text: after that sentence the model goes on with what a reader
should keep. Texts are short stories, encyclopedia articles (body and lead), fables (and their moral) and news in two levels of difficulty.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .config import END_OF_TEXT, SUMMARY, Profile
from .short_stories import load_short_stories
from .text import clean, split_sentences, write_lines
from .wide import VALID_DOCUMENTS, is_held_out, read_documents

MORALS = "aesop/aesop4children/"  # the fables whose last paragraph is the moral
MOST_TEXT, MOST_SUMMARY = 30, 8

Summarised = tuple[str, list[str], list[str]]


def write_summaries(data: Path | None, text: Path, profile: Profile, limit: int | None) -> dict[str, int]:
    """Writes summaries.{train,valid}.jsonl; returns their numbers of documents. Held out like the texts themselves are.

    Short stories come last: scores of the first held-out documents are then of every kind.
    """
    split: dict[str, list[str]] = {"train": [], "valid": []}
    for source in (_encyclopedia(data, profile), _fables(data), _levels(data)):
        held_out = 0
        for identity, sentences, summary in islice(_fitting(source, profile), limit):
            name = "valid" if is_held_out(identity) else "train"
            held_out += name == "valid"
            if name == "train" or held_out <= VALID_DOCUMENTS:
                split[name].append(_document(identity, sentences, summary))
    for story in load_short_stories()[:limit]:
        if story.summary:
            for seed in range(1 if story.is_held_out else profile.summary_tellings):
                told = (f"{story.identity}#{seed}", *story.tell(seed))
                split["valid" if story.is_held_out else "train"].append(_document(*told))
    return {
        f"summaries.{name}": write_lines(text / f"summaries.{name}.jsonl", lines)
        for name, lines in split.items()
    }


def _document(identity: str, sentences: list[str], summary: list[str]) -> str:
    return json.dumps(
        {"id": identity, "sentences": [*sentences, SUMMARY, *summary, END_OF_TEXT]}, ensure_ascii=False
    )


def _fitting(documents: Iterator[Summarised], profile: Profile) -> Iterator[Summarised]:
    """Texts and summaries whose sentences nearly all fit the space, without those that do not."""
    for identity, *parts in documents:
        kept = [[s for s in part if len(s) <= profile.max_characters] for part in parts]
        if all(len(some) >= 0.7 * len(part) > 0 for some, part in zip(kept, parts, strict=True)):
            yield identity, kept[0][:MOST_TEXT], kept[1][:MOST_SUMMARY]


def _encyclopedia(data: Path | None, profile: Profile) -> Iterator[Summarised]:
    for document in read_documents(data, "encyclopedia.en", profile.encyclopedia_summaries):
        yield document["id"], _sentences(document["body"]), _sentences(document["lead"])


def _fables(data: Path | None) -> Iterator[Summarised]:
    for document in read_documents(data, "stories.en"):
        *story, moral = document["paragraphs"]
        if document["id"].startswith(MORALS) and story:
            yield document["id"], _sentences(story), _sentences([moral])


def _levels(data: Path | None) -> Iterator[Summarised]:
    """As many first paragraphs of the advanced text as fit, and as many of the elementary one."""
    for document in read_documents(data, "simplification.en"):
        advanced, elementary = document["advanced"], document["elementary"]
        count = len(advanced)
        while count > 1 and len(_sentences(advanced[:count])) > MOST_TEXT:
            count -= 1
        yield document["id"], _sentences(advanced[:count]), _sentences(elementary[:count])


def _sentences(paragraphs: list[str]) -> list[str]:
    return [sentence for paragraph in paragraphs for sentence in split_sentences(clean(paragraph))]
