"""MODEL_CARD.md from the scores, the training logs and the data counts."""

import json
from pathlib import Path

import torch

from .arithmetic import sentence_arithmetic
from .card_summary import summary
from .comparison_card import comparison, summaries, table
from .curves import NO_LOSSES, curves
from .short_stories import load_short_stories
from .space_card import percent, space_scores, spoken
from .worlds import is_held_out, load_worlds

DATA = """\
| text | used for | source | licence |
|---|---|---|---|
| stories told from the world grammars in `training/worlds` | space, concept models | written for Noema | CC0 1.0 |
| short stories and their summaries in `training/stories` | space, concept models | written for Noema | CC0 1.0 |
| marked drafts in `training/marks` | decoder, base-lcm | begun and marked by language models for Noema, drawn by mini | CC0 1.0 |
| English-French, -German, -Spanish sentence pairs | space | Tatoeba contributors (tatoeba.org), extracts by manythings.org/anki | CC BY 2.0 FR |
| single sentences in the four languages | space | Mozilla Common Voice (CC0 1.0), Tatoeba (CC BY 2.0 FR), ELTeC novels (CC BY 4.0, texts public domain), English Wikipedia 2021 (CC BY-SA 3.0) | as stated |
"""

WIDE = {
    "novels": "| chapters of English novels | space, concept models | classic-books-markdown | public domain |",
    "tales": "| fables and tales | space, concept models | FairytaleQA, African Storybook, Pratham Books, Aesop | Apache-2.0, CC BY 4.0, public domain |",
    "encyclopedia": "| encyclopedia articles | space, concept models | English Wikipedia 2015 | CC BY-SA 3.0 |",
    "summaries": "| encyclopedia articles and their leads, fables and their morals, news in two levels | space, concept models | English Wikipedia 2015; Aesop for Children; OneStopEnglish | CC BY-SA 3.0; public domain; CC BY-SA 4.0 |",
    "dialogues": "| task dialogues | space, concept models | Google Schema-Guided Dialogue, train | CC BY-SA 4.0 |",
}

LIMITS = """\
- A small model, trained briefly: it shows that the parts work together, not what the method can reach.
- Sentences of everyday length only. Names, numbers and rare words are often replaced by others; long sentences lose their detail.
- Translations are rough paraphrases. They are better for short common phrases than for anything else.
- The concept models have read little, most of it very short stories for children told from a few hundred grammars. Compare them with the two
  baselines in the tables below before relying on them: where the mean of the context does as well, a model has not learnt to continue a text.
- It has no knowledge to rely on and must not be used as a source of facts. No safety tuning was done.
"""


TRIED = """\
Made by `python -m noema_training tune --work WORK --out FOLDER` on up to 200 held-out positions, best first by CA read x (1 - repeats); `read` means
decoded to text and encoded again, `repeats` is the share of texts in which a word follows itself. The positions are from the same held-out worlds as
the table above, so that table is slightly favourable to the model; settings a point or two apart are not told apart by so few positions."""


def model_card(work: Path, manifest: dict, scores: dict) -> str:
    """The whole card; every table names the command that made it."""
    space, concept = manifest["space"], manifest["conceptModels"]["two-tower"]
    parts = [
        f"# {manifest['name']} {manifest['version']}",
        manifest["description"],
        f"Licence of the weights: {manifest['licence']}. Noema's code is MIT.",
        "## What it is",
        f"- Space: SONAR-style encoder and decoder, {space['dim']} dimensions, {space['decoder']['layers']} + "
        f"{space['decoder']['layers']} layers; one vector a sentence, in English, French, German and Spanish.",
        "- Concept model: Two-Tower diffusion LCM (Barrault et al. 2024, arXiv 2412.08821), "
        + ", ".join(f"{name} {value}" for name, value in concept["architecture"].items())
        + ".",
        *_base_lcm(manifest),
        f"- Default concept model: {manifest['defaultConceptModel']}. `evaluate` takes the one with the higher CA on the held-out "
        "stories (below), unless it is told otherwise.",
        f"- Default decoding of two-tower: `{json.dumps(concept['decoding'])}`"
        + (", chosen on the held-out worlds (below)." if scores["tuning"] else "."),
        "## In short",
        f"On text that nothing was trained on; how each was measured stands in its section below.\n\n{summary(scores)}",
        "## Limits",
        LIMITS.rstrip(),
        "## Training text and attribution",
        DATA + _wide(work) + _counts(work),
        "Filters and exact public sources are in `training/README.md`. "
        f"{_held_out_worlds()} and 1% of the pairs (by English side) are held out; every score below is on those.",
        "## Scores of the exported files",
        "Made by `python -m noema_training evaluate --work WORK --out FOLDER`: ONNX Runtime, f16 weights, the first "
        f"{scores['sentences']} lines of each validation file (story sentences: after shuffling with a fixed seed). BLEU and chrF by "
        "sacrebleu. Predicted concepts are put into words greedily where nothing else is said.",
        spoken(manifest["space"]),
        *space_scores(scores),
        "### Next concept of two-tower, teacher-forced, held-out worlds",
        _concepts(scores["concepts"]),
        "### All concept models",
        comparison(scores["comparison"]),
        *(["### Marked drafts", _marks(scores["marks"])] if scores["marks"] else []),
        *(["### Summaries", summaries(scores["summaries"])] if scores["summaries"] else []),
        "### Size and speed",
        _size(manifest) + _speed(scores["speed"]) + _arithmetic(sentence_arithmetic(work, manifest)),
        *_decoding_tried(scores),
        "## First lines, unselected",
        _examples(scores),
        "## Training",
        _training(work),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _counts(work: Path) -> str:
    counts = json.loads((work / "text" / "counts.json").read_text())
    named = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"\nLines after filtering (`python -m noema_training prepare`): {named}."


def _wide(work: Path) -> str:
    """Rows of the wider documents that were used."""
    counts = json.loads((work / "text" / "counts.json").read_text())
    return "".join(f"{row}\n" for kind, row in WIDE.items() if counts.get(f"{kind}.train"))


def _base_lcm(manifest: dict) -> list[str]:
    entry = manifest["conceptModels"].get("base-lcm")
    if entry is None:
        return []
    sizes = ", ".join(f"{name} {value}" for name, value in entry["architecture"].items())
    return [
        f"- Concept model: Base-LCM of the same paper, trained through the decoder, {sizes}.",
        f"- Default decoding of base-lcm: `{json.dumps(entry['decoding'])}`.",
    ]


def _held_out_worlds() -> str:
    worlds = load_worlds()
    short = load_short_stories()
    return (
        f"{sum(is_held_out(world['id']) for world in worlds)} of {len(worlds)} whole worlds, "
        f"{sum(story.is_held_out for story in short)} of {len(short):,} short stories"
    )


def _training(work: Path) -> str:
    lines = []
    for name, step in (
        ("space.pt", "space"),
        ("base-lcm.pt", "base-lcm"),
        ("decoder.pt", "decoder"),
        ("two-tower.pt", "two-tower"),
        ("token-lm.pt", "token-lm"),
    ):
        path = work / name
        if not path.exists():
            lines.append(f"- `{step}`: not trained.")
            continue
        saved = torch.load(path, map_location="cpu")
        minutes = saved["elapsed"] / 60
        log = work / f"{step}.log.jsonl"
        lines_of_log = log.read_text().splitlines() if log.exists() else []
        last = json.loads(lines_of_log[-1]) if lines_of_log else {}
        losses = ", ".join(f"{name} {value:.3f}" for name, value in last.items() if name not in NO_LOSSES)
        lines.append(
            f"- `python -m noema_training {step}`: {saved['step']:,} steps in {minutes:.0f} minutes; last averages: {losses}."
        )
    notes = work / "training-notes.txt"
    parts = ["\n".join(lines), notes.read_text().strip() if notes.exists() else ""]
    parts.append(curves(work, ("space", "base-lcm", "decoder", "two-tower", "token-lm")))
    return "\n\n".join(filter(None, parts))


def _size(manifest: dict) -> str:
    files = {
        name: entry["bytes"]
        for name, entry in manifest["files"].items()
        if not name.endswith((".md", "scores.json"))
    }
    named = ", ".join(f"`{name}` {size / 1e6:.1f}" for name, size in files.items())
    return f"{sum(files.values()) / 1e6:.1f} MB of weights and tokenizer, beside this card and its scores: {named}."


def _arithmetic(counted: dict) -> str:
    """Of a sentence, beside the yardstick's, where that was trained."""
    if not counted:
        return ""
    rows = [[name, f"{count / 1e6:.1f}"] for name, count in counted["multiply_adds"].items()]
    about = (
        f"Arithmetic of one more sentence of {counted['pieces']:.1f} pieces (the mean of held-out documents) after {counted['before']}, "
        "by the models' sizes (`arithmetic.py`):"
    )
    return f"\n\n{about}\n\n" + table(["", "million multiply-adds"], rows)


def _marks(marks: dict) -> str:
    return (
        f"{marks['drafts']:,} drafts of the sentence after {marks['texts']:,} held-out beginnings (`training/marks`), drawn by earlier checkpoints "
        "and marked by language models: 3 follows naturally, 2 is passable, 1 does not belong there, 0 is broken or nonsense. Mean mark of the draft "
        f"that base-lcm keeps of each beginning's (by the score alone, `preferences.py`): **{marks['kept']:.2f}**; of all drafts "
        f"{marks['all']:.2f}, of the best of each {marks['best']:.2f}."
    )


def _speed(speed: dict) -> str:
    """Of `noema bench speed --json`, where it was run."""
    if not speed:
        return ""
    device, load = speed["backend"], speed["load"]
    software = " (software)" if device.get("software") else ""
    where = f"{device['backend']}, {device.get('description', 'the processor')}{software}"
    predict = ", ".join(
        f"{value:.0f} ms by {name} and decoded in {speed['decode'][name]:.0f}"
        for name, value in speed["predict"].items()
    )
    return (
        f"\n\nMade by `npm run -s noema -- bench speed --model FOLDER --json > WORK/speed.json` ({where}; medians of {speed['visits']} visits): "
        f"loaded in {load['first'] / 1000:.1f} s from a server on the same machine, in {load['again'] / 1000:.1f} s on a second visit; "
        f"a sentence is encoded in {speed['encode']:.0f} ms, a concept predicted in {predict}."
    )


def _concepts(scores: dict) -> str:
    rows = [
        [name, f"{entry['l2']:.3f}", percent(entry["ca"])]
        for name, entry in scores.items()
        if isinstance(entry, dict)
    ]
    text = (
        f"{scores['concepts']} concepts, mean norm {scores['norm']:.3f}. CA: share of the other held-out sentences that are "
        "farther from the prediction than the true one (50% is chance)."
    )
    best = max(("mean of context", "copy of last"), key=lambda name: scores[name]["ca"])
    beaten = scores["model"]["ca"] > scores[best]["ca"]
    verdict = f"By CA the model {'beats' if beaten else 'does NOT beat'} the better baseline ({best})."
    return "\n\n".join([text, table(["prediction", "l2", "CA"], rows), verdict])


def _decoding_tried(scores: dict) -> list[str]:
    """The grids of `tune`, where it was run."""
    parts = []
    if scores["tuning"]:
        names = ["steps", "guidance_scale", "guidance_rescale", "initial_noise_scale"]
        parts.append(_grid(scores["tuning"], names))
    if scores["tuning_base"]:
        parts += ["Temperatures of base-lcm:", _grid(scores["tuning_base"], ["temperature"])]
    return ["### Decoding settings tried", TRIED, *parts] if parts else []


def _grid(grid: list[dict], names: list[str]) -> str:
    rows = [
        [entry[name] for name in names]
        + [f"{entry['l2']:.3f}", percent(entry["ca"]), f"{entry['l2_read']:.3f}"]
        + [percent(entry["ca_read"]), percent(entry["repeats"])]
        for entry in grid
    ]
    return table([*names, "l2", "CA", "l2 read", "CA read", "repeats"], rows)


def _examples(scores: dict) -> str:
    parts = []
    for name, entry in scores["round_trip"].items():
        if name.endswith("at most 12 words"):
            continue  # the same lines stand above
        parts.append(f"Round trip, {name}:")
        parts.append(table(["sentence", "comes back as"], entry["first"]))
    for name, entry in scores["translation"].items():
        parts.append(f"Translation {name}:")
        parts.append(table(["source", "output", "reference"], entry["first"]))
    parts.append("Free continuations of the first held-out worlds by two-tower (sampled with fixed seeds):")
    for entry in scores["continuations"]:
        ending = " (ended by itself)" if entry["ended"] else ""
        parts.append(
            f"- *{' '.join(entry['prompt'])}* → {' '.join(entry['continuation'])}{ending}\n"
            f"  - in French: {' '.join(entry['in French'])}"
        )
    return "\n\n".join(parts)
