"""Step `prepare`: text in, plain lines out; every later step reads only the work directory."""

import json
import random
import zlib
from collections import defaultdict
from itertools import islice
from pathlib import Path

from .config import END_OF_TEXT, LANGUAGES, Profile
from .text import clean, read_lines, write_lines
from .worlds import is_held_out, load_worlds, tell

MAX_WORDS = 20
VALID_PERCENT = 1
SENTENCES = {"en": 250_000, "fr": 40_000, "de": 25_000, "es": 25_000}


def prepare(data: Path | None, work: Path, profile: Profile, limit: int | None = None, seed: int = 0) -> dict:
    """Writes pairs.*.tsv, sentences.*.txt and stories.*.jsonl under work/text; returns their line counts.

    `data` holds pairs/en-XX.tsv(.xz) and sentences/XX.txt(.xz); missing files are skipped. `limit` caps
    the lines of each file and the number of worlds.
    """
    text = work / "text"
    text.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    counts = {}
    translations: dict[str, dict[str, str]] = defaultdict(dict)
    for language in ("fr", "de", "es"):
        split = {"train": [], "valid": []}
        for english, other in _pairs(data, language, limit):
            split["valid" if _held_out(english) else "train"].append(f"{english}\t{other}")
            if not _held_out(english):
                translations[english].setdefault(language, other)
        for name, lines in split.items():
            rng.shuffle(lines)
            counts[f"pairs.en-{language}.{name}"] = write_lines(
                text / f"pairs.en-{language}.{name}.tsv", lines
            )
    for first, second in (("fr", "de"), ("fr", "es"), ("de", "es")):
        lines = [f"{t[first]}\t{t[second]}" for t in translations.values() if first in t and second in t]
        rng.shuffle(lines)
        counts[f"pairs.{first}-{second}.train"] = write_lines(
            text / f"pairs.{first}-{second}.train.tsv", lines
        )
    for language in LANGUAGES:
        lines = islice(_sentences(data, language), limit or SENTENCES[language])
        counts[f"sentences.{language}"] = write_lines(text / f"sentences.{language}.txt", lines)
    counts |= _stories(text, profile, limit)
    (text / "counts.json").write_text(json.dumps(counts, indent=1))
    return counts


def _find(data: Path | None, name: str) -> Path | None:
    candidates = [] if data is None else [data / f"{name}.xz", data / name]
    return next((path for path in candidates if path.exists()), None)


def _everyday(sentence: str) -> bool:
    return 0 < len(sentence) <= 120 and len(sentence.split()) <= MAX_WORDS


def _held_out(english: str) -> bool:
    return zlib.crc32(english.lower().encode()) % 100 < VALID_PERCENT


def _pairs(data: Path | None, language: str, limit: int | None):
    path = _find(data, f"pairs/en-{language}.tsv")
    for line in islice(read_lines(path) if path else (), limit):
        english, other = map(clean, line.split("\t")[:2])
        if _everyday(english) and _everyday(other):
            yield english, other


def _sentences(data: Path | None, language: str):
    path = _find(data, f"sentences/{language}.txt")
    for line in read_lines(path) if path else ():
        sentence = clean(line)
        if _everyday(sentence) and not (language == "en" and _held_out(sentence)):
            yield sentence


def _stories(text: Path, profile: Profile, limit: int | None) -> dict:
    """Documents as JSON lists of sentences, and their distinct sentences."""
    worlds = load_worlds()
    held_out = [world for world in worlds if is_held_out(world["id"])]
    told = [world for world in worlds if not is_held_out(world["id"])]
    counts = {}
    for name, group, tellings in (
        ("train", told, profile.tellings),
        ("valid", held_out, profile.valid_tellings),
    ):
        documents = (
            {"id": f"{world['id']}#{seed}", "sentences": tell(world, seed)}
            for seed in range(tellings)
            for world in group[:limit]
        )
        distinct: set[str] = {END_OF_TEXT}
        lines = []
        for document in documents:
            distinct.update(document["sentences"])
            lines.append(json.dumps(document, ensure_ascii=False))
        counts[f"stories.{name}"] = write_lines(text / f"stories.{name}.jsonl", lines)
        counts[f"story-sentences.{name}"] = write_lines(
            text / f"story-sentences.{name}.txt", sorted(distinct)
        )
    return counts
