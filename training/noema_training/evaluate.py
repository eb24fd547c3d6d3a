"""Steps `tune` and `evaluate`: scores of an exported model folder (f16 weights, ONNX Runtime)."""

import json
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from .comparison import compare
from .concept_scores import HeldOut, continuations, teacher_forced, tune, tune_base
from .config import LANGUAGE_NAMES, LANGUAGES
from .diffusion import Decoding
from .export import BETTER_MODEL, default_concept_model, write_manifest
from .metrics import xsim_errors
from .model_card import model_card
from .preferences import judge
from .prepare import key
from .runtime import ExportedSpace, load_base, load_two_tower
from .summary_scores import score_summaries
from .text import read_lines


def tune_decoding(work: Path, folder: Path, limit: int | None = None) -> dict:
    """Writes the best settings to work/decoding.json and decoding-base.json, the whole grids to tuning.json and tuning-base.json."""
    space = ExportedSpace(folder)
    model, _ = load_two_tower(folder)
    grid = tune(model, space, HeldOut(work, space, limit))
    (work / "tuning.json").write_text(json.dumps(grid, indent=1))
    best = {name: grid[0][name] for name in asdict(Decoding())}
    (work / "decoding.json").write_text(json.dumps(best, indent=1))
    if "base-lcm" in space.manifest["conceptModels"]:
        temperatures = tune_base(load_base(folder), space, HeldOut(work, space, limit))
        (work / "tuning-base.json").write_text(json.dumps(temperatures, indent=1))
        best["temperature"] = temperatures[0]["temperature"]
        (work / "decoding-base.json").write_text(json.dumps({"temperature": best["temperature"]}))
    return best


def evaluate(work: Path, folder: Path, limit: int | None = None, default: str | None = None) -> dict:
    """Scores the folder on the validation sets; writes scores.json, MODEL_CARD.md and the manifest's hashes.

    The better concept model becomes the folder's default, and that of later exports; `default` names another for this folder.
    """
    limit = limit or 500
    space = ExportedSpace(folder)
    model, decoding = load_two_tower(folder)
    held_out = HeldOut(work, space, None if limit >= 500 else limit)
    scores = {"sentences": limit, "round_trip": {}, "translation": {}, "xsim_error": {}}
    stories = list(read_lines(work / "text" / "story-sentences.valid.txt"))
    random.Random(0).shuffle(stories)  # they are sorted: the first would be speech
    scores["round_trip"] |= round_trips(space, "story sentences (English)", stories, "eng_Latn", limit)
    for short in ("fr", "de", "es"):
        path = work / "text" / f"pairs.en-{short}.valid.tsv"
        pairs = [line.split("\t") for line in read_lines(path)] if path.exists() else []
        if pairs:
            score_pairs(space, short, pairs, scores, limit)
    scores["concepts"] = teacher_forced(model, space, held_out, decoding)
    scores["continuations"] = continuations(model, space, held_out, decoding, 6)
    scores["comparison"] = compare(work, folder, space, None if limit >= 500 else limit)
    scores["summaries"] = score_summaries(work, folder, space, None if limit >= 500 else limit)
    scores["marks"] = judge(work) if "base-lcm" in space.manifest["conceptModels"] else {}
    names = list(space.manifest["conceptModels"])
    (work / BETTER_MODEL).write_text(better_model(names, scores["comparison"]) + "\n")
    space.manifest["defaultConceptModel"] = default_concept_model(work, names, default)
    for name, file, missing in (
        ("tuning", "tuning.json", []),
        ("tuning_base", "tuning-base.json", []),
        ("speed", "speed.json", {}),
    ):
        scores[name] = json.loads((work / file).read_text()) if (work / file).exists() else missing
    (folder / "scores.json").write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n")
    (folder / "MODEL_CARD.md").write_text(model_card(work, space.manifest, scores))
    write_manifest(folder, space.manifest)
    return scores


def better_model(names: list[str], comparison: dict) -> str:
    """Of those compared, the concept model with the best CA on the stories.

    Not CA-r, that of what is said: marks of drafts and nearness to the prediction do not agree (model card of mini).
    """
    models = comparison["teacher_forced"]["stories"]["models"]
    return max((name for name in names if name in models), key=lambda name: models[name]["ca"])


def score_pairs(space: ExportedSpace, short: str, pairs: list[list[str]], scores: dict, limit: int) -> None:
    """Adds round trip of one language, and translation in both directions and xsim of its first `limit` pairs to `scores`."""
    code = LANGUAGES[short]
    if short == "fr":
        lines = [pair[0] for pair in pairs]
        scores["round_trip"] |= round_trips(space, "English", lines, "eng_Latn", limit)
    scores["round_trip"] |= round_trips(space, LANGUAGE_NAMES[code], [pair[1] for pair in pairs], code, limit)
    pairs = pairs[:limit]
    english, other = ([pair[side] for pair in pairs] for side in (0, 1))
    vectors = {"en": space.encode(english), short: space.encode(other, code)}
    for source, target, truth in (("en", short, other), (short, "en", english)):
        texts, others = said(space, vectors[source], LANGUAGES[target])
        scores["translation"][f"{source}-{target}"] = {
            "chrf": CHRF().corpus_score(texts, [truth]).score,
            "bleu": BLEU().corpus_score(texts, [truth]).score,
            "others": {
                way: {"chrf": CHRF().corpus_score(other, [truth]).score} for way, other in others.items()
            },
            "first": list(zip(pairs_side(pairs, source)[:5], texts[:5], truth[:5], strict=True)),
        }
    distinct = first_of_each(english, other)
    scores["xsim_error"][short] = xsim_errors(vectors[short][distinct], vectors["en"][distinct])


def first_of_each(english: list[str], other: list[str]) -> list[int]:
    """Indices of the pairs neither of whose sides stands in an earlier one: of two equal sentences none is the nearer."""
    seen: tuple[set[str], set[str]] = set(), set()
    kept = []
    for index, pair in enumerate(zip(english, other, strict=True)):
        if not any(key(side) in known for side, known in zip(pair, seen, strict=True)):
            kept.append(index)
        for side, known in zip(pair, seen, strict=True):
            known.add(key(side))
    return kept


def pairs_side(pairs: list[list[str]], language: str) -> list[str]:
    return [pair[0 if language == "en" else 1] for pair in pairs]


def round_trips(space: ExportedSpace, name: str, lines: list[str], code: str, limit: int) -> dict[str, dict]:
    """Round trips of the first `limit` lines, of the short ones among them, and of the first `limit` long lines."""
    first, long = lines[:limit], [line for line in lines if 13 <= len(line.split()) <= 30][:limit]
    texts, others = said(space, space.encode(first, code), code)
    short = [n for n, line in enumerate(first) if len(line.split()) <= 12]
    rows = {name: round_trip(space, first, texts, others)}
    if short:
        sentences, back, *ways = ([side[n] for n in short] for side in (first, texts, *others.values()))
        rows[f"{name}, at most 12 words"] = round_trip(
            space, sentences, back, dict(zip(others, ways, strict=True))
        )
    if long:
        rows[f"{name}, 13-30 words"] = round_trip(space, long, *said(space, space.encode(long, code), code))
    return rows


def said(space: ExportedSpace, vectors: np.ndarray, code: str) -> tuple[list[str], dict[str, list[str]]]:
    """Vectors in words as the manifest has it; and, to compare, greedily and in the likeliest words that were found."""
    found = space.found(vectors, code)
    first = space.found(vectors, code, rounds=0)
    likeliest = [max(one, key=lambda sentence: sentence.score).text for one in first]
    return [one[0].text for one in found], {"greedy": space.decode(vectors, code), "likeliest": likeliest}


def round_trip(
    space: ExportedSpace, sentences: list[str], texts: list[str], others: dict[str, list[str]]
) -> dict:
    """Scores of what came back, and of what other ways of decoding bring back.

    Token accuracy: share of the sentence's pieces that the output has at the same position.
    """
    hits = total = 0
    for sentence, text in zip(sentences, texts, strict=True):
        want, got = space.tokenizer.encode(sentence).ids, space.tokenizer.encode(text).ids
        hits += sum(a == b for a, b in zip(want, got, strict=False))
        total += len(want)
    exact = lambda texts: float(np.mean([a == b for a, b in zip(sentences, texts, strict=True)]))  # noqa: E731
    chrf = lambda texts: CHRF().corpus_score(texts, [sentences]).score  # noqa: E731
    return {
        "exact": exact(texts),
        "token_accuracy": hits / max(1, total),
        "bleu": BLEU().corpus_score(texts, [sentences]).score,
        "chrf": chrf(texts),
        "others": {way: {"exact": exact(other), "chrf": chrf(other)} for way, other in others.items()},
        "sentences": len(sentences),
        "first": list(zip(sentences[:8], texts[:8], strict=True)),
    }
