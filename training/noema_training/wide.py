"""Novels, tales, encyclopedia articles and dialogues as documents of sentences, beside the simple stories."""

import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .config import END_OF_TEXT, Profile
from .text import clean, read_lines, split_sentences, write_lines

VALID_PERCENT = 3
VALID_DOCUMENTS = 100
CHAPTERS = ("classic", "eltec")
FEWEST, MOST = 4, 400


def write_documents(data: Path | None, text: Path, profile: Profile, limit: int | None) -> dict[str, int]:
    """Writes KIND.{train,valid}.jsonl (English) and KIND.LANGUAGE.valid.jsonl (zero-shot); returns their numbers of documents.

    `profile.documents` caps the training documents of each kind; a kind that is not there is left out. Held out by source: all chapters
    of a book, every article or dialogue by its id. Documents whose beginning was seen before are left out.
    """
    counts, seen = {}, set()
    for kind, most in profile.documents.items():
        split: dict[str, list[str]] = {"train": [], "valid": []}
        for identity, sentences in _of_kind(data, kind, profile, limit):
            start = "".join(filter(str.isalnum, " ".join(sentences[:3]).casefold()))
            name = "valid" if is_held_out(identity) else "train"
            if start in seen or len(split[name]) >= (most if name == "train" else VALID_DOCUMENTS):
                continue
            seen.add(start)
            split[name].append(json.dumps({"id": identity, "sentences": sentences}, ensure_ascii=False))
        for name, lines in split.items():
            counts[f"{kind}.{name}"] = write_lines(text / f"{kind}.{name}.jsonl", lines)
    for language in (short for short in profile.languages if short != "en"):
        for kind in set(profile.documents) & {"novels", "tales"}:
            found = islice(_of_kind(data, kind, profile, limit, language), VALID_DOCUMENTS // 2)
            lines = [json.dumps({"id": i, "sentences": s}, ensure_ascii=False) for i, s in found]
            if lines:
                name = f"{kind}.{language}.valid"
                counts[name] = write_lines(text / f"{name}.jsonl", lines)
    return counts


def is_held_out(identity: str) -> bool:
    """By the part of the id before `#`, which all chapters of a book share."""
    return zlib.crc32(identity.split("#")[0].encode()) % 100 < VALID_PERCENT


def read_documents(data: Path | None, name: str, limit: int | None = None) -> Iterator[dict]:
    """The first documents of documents/NAME.jsonl, compressed or not; none where there is no such file."""
    candidates = [] if data is None else [data / "documents" / f"{name}.jsonl{end}" for end in (".xz", "")]
    path = next((path for path in candidates if path.exists()), None)
    yield from map(json.loads, islice(read_lines(path) if path else (), limit))


def _of_kind(
    data: Path | None, kind: str, profile: Profile, limit: int | None, language: str = "en"
) -> Iterator[tuple[str, list[str]]]:
    """Ids and sentences of the documents of one kind whose sentences nearly all fit the space."""
    file = {"novels": "stories", "tales": "stories"}.get(kind, kind)
    for document in read_documents(data, f"{file}.{language}", limit):
        chapter = document["id"].split("/")[0] in CHAPTERS
        if file == "stories" and chapter != (kind == "novels"):
            continue
        sentences = list(_sentences(document))
        short = [sentence for sentence in sentences if 0 < len(sentence) <= profile.max_characters]
        if len(short) >= FEWEST and len(short) >= 0.7 * len(sentences):
            yield document["id"], [*short[:MOST], END_OF_TEXT]


def _sentences(document: dict) -> Iterator[str]:
    paragraphs = document.get("paragraphs") or document.get("turns") or [*document["lead"], *document["body"]]
    for paragraph in paragraphs:
        yield from split_sentences(clean(paragraph))
