"""Step `prepare`: text in, plain lines out; every later step reads only the work directory."""

import json
import random
import zlib
from collections import defaultdict
from itertools import islice
from pathlib import Path

from .config import END_OF_TEXT, Profile
from .short_stories import ShortStory, load_short_stories
from .summaries import write_summaries
from .text import clean, read_lines, write_lines
from .wide import write_documents
from .worlds import is_held_out, load_worlds, tell

VALID_PERCENT = 1
ALWAYS_WRITTEN = ("fr", "de", "es")


def prepare(data: Path | None, work: Path, profile: Profile, limit: int | None = None, seed: int = 0) -> dict:
    """Writes pairs.*.tsv, sentences.*.txt and documents (*.jsonl) under work/text; returns their line counts.

    `data` holds pairs/en-XX.tsv(.xz), sentences/XX.txt(.xz) and documents/*.jsonl(.xz); missing files are skipped. `limit` caps
    the lines of each file and the number of worlds.
    """
    text = work / "text"
    text.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    counts = {}
    translations: dict[str, dict[str, str]] = defaultdict(dict)
    held_out: set[str] = set()
    for language in (short for short in profile.languages if short != "en"):
        split = _split_pairs(_pairs(data, language, profile, limit))
        held_out.update(key(side) for pair in split["valid"] for side in pair)
        for english, other in split["train"]:
            translations[english].setdefault(language, other)
        for name, pairs in split.items():
            rng.shuffle(pairs)
            path = text / f"pairs.en-{language}.{name}.tsv"
            if pairs or language in ALWAYS_WRITTEN:
                counts[path.stem] = write_lines(path, map("\t".join, pairs))
    for first, second in (("fr", "de"), ("fr", "es"), ("de", "es")):
        lines = [f"{t[first]}\t{t[second]}" for t in translations.values() if first in t and second in t]
        rng.shuffle(lines)
        counts[f"pairs.{first}-{second}.train"] = write_lines(
            text / f"pairs.{first}-{second}.train.tsv", lines
        )
    for language in profile.languages:
        lines = islice(_sentences(data, language, profile, held_out), limit or profile.sentences[language])
        counts[f"sentences.{language}"] = write_lines(text / f"sentences.{language}.txt", lines)
    counts |= _stories(text, profile, limit)
    counts |= write_documents(data, text, profile, limit)
    counts |= write_summaries(data, text, profile, limit)
    (text / "counts.json").write_text(json.dumps(counts, indent=1))
    return counts


def find(data: Path | None, name: str) -> Path | None:
    """The file, compressed or not."""
    candidates = [] if data is None else [data / f"{name}.xz", data / name]
    return next((path for path in candidates if path.exists()), None)


def key(sentence: str) -> str:
    """Letters and digits in lower case: sentences that differ only in the rest count as the same."""
    return "".join(filter(str.isalnum, sentence.casefold()))


def everyday(sentence: str, profile: Profile) -> bool:
    return 0 < len(sentence) <= profile.max_characters and len(sentence.split()) <= profile.max_words


def _held_out(english: str) -> bool:
    return zlib.crc32(english.lower().encode()) % 100 < VALID_PERCENT


def _pairs(data: Path | None, language: str, profile: Profile, limit: int | None):
    """Distinct pairs of everyday sentences."""
    path, seen = find(data, f"pairs/en-{language}.tsv"), set()
    for line in islice(read_lines(path) if path else (), limit):
        english, other = map(clean, line.split("\t")[:2])
        both = (key(english), key(other))
        if everyday(english, profile) and everyday(other, profile) and both not in seen:
            seen.add(both)
            yield english, other


def _split_pairs(pairs) -> dict[str, list[tuple[str, str]]]:
    """Held out by the English side; a translation that is held out is not trained on with another English side either."""
    pairs = list(pairs)
    valid = [pair for pair in pairs if _held_out(pair[0])]
    translations = {key(other) for _, other in valid}
    train = [pair for pair in pairs if not _held_out(pair[0]) and key(pair[1]) not in translations]
    return {"train": train, "valid": valid}


def _sentences(data: Path | None, language: str, profile: Profile, held_out: set[str]):
    """Distinct everyday sentences that are on no side of a held-out pair."""
    path, seen = find(data, f"sentences/{language}.txt"), set(held_out)
    for line in read_lines(path) if path else ():
        sentence = clean(line)
        if not everyday(sentence, profile) or (language == "en" and _held_out(sentence)):
            continue
        if key(sentence) not in seen:
            seen.add(key(sentence))
            yield sentence


def _stories(text: Path, profile: Profile, limit: int | None) -> dict:
    """Documents as JSON lists of sentences, and the distinct sentences of each file.

    Worlds and short stories are one kind to train on; the held-out ones are kept apart.
    """
    worlds, short = load_worlds(), load_short_stories()
    told = [world for world in worlds if not is_held_out(world["id"])][: limit or profile.worlds]
    held_out = [world for world in worlds if is_held_out(world["id"])][: limit or profile.worlds]
    short_told = [story for story in short if not story.is_held_out][:limit]
    short_held_out = [story for story in short if story.is_held_out][:limit]
    files = {
        "stories.train": [
            *_tellings(told, profile.tellings, more_names=True),
            *_short_tellings(short_told, profile.short_tellings),
        ],
        "stories.valid": _tellings(held_out, profile.valid_tellings),
        "short-stories.valid": _short_tellings(short_held_out, 1),
    }
    counts = {}
    for name, documents in files.items():
        kind, split = name.split(".")
        distinct = {END_OF_TEXT}.union(*(document["sentences"] for document in documents))
        lines = (json.dumps(document, ensure_ascii=False) for document in documents)
        counts[name] = write_lines(text / f"{name}.jsonl", lines)
        if kind == "stories":
            name = f"story-sentences.{split}"
            counts[name] = write_lines(text / f"{name}.txt", sorted(distinct))
    return counts


def _tellings(worlds: list[dict], times: int, more_names: bool = False) -> list[dict]:
    return [
        {"id": f"{world['id']}#{seed}", "sentences": tell(world, seed, more_names)}
        for seed in range(times)
        for world in worlds
    ]


def _short_tellings(stories: list[ShortStory], times: int) -> list[dict]:
    """Each as it is written first."""
    return [
        {"id": f"{story.identity}#{seed}", "sentences": [*story.tell(seed)[0], END_OF_TEXT]}
        for seed in range(times)
        for story in stories
    ]
