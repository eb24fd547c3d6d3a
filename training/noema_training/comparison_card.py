"""The model card's tables of `comparison.py`."""

COLUMNS = {
    "l2": "ℓ2",
    "l2_r": "ℓ2-r",
    "ca": "CA %",
    "ca_r": "CA-r %",
    "par": "PAR",
    "mi": "MI",
    "rouge_l": "ROUGE-L",
    "ends": "ends %",
    "ends_early": "ends early %",
}
FREE = {
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_3": "distinct-3",
    "repetition_4": "REP-4 %",
    "repeated_sentences": "repeated sentences %",
    "mi": "MI",
}
PERCENT = ("ca", "ca_r", "ends", "ends_early", "repetition_4", "repeated_sentences")
EXPLANATION = """\
Teacher-forced: the true sentences before, one prediction. ℓ2: distance to the true concept; `-r`: after decoding to text and encoding again. CA: \
share of other held-out sentences farther away than the true one, its neighbours left out. PAR: largest cosine of the prediction with the \
context over that of the true concept. ROUGE-L against the true sentence (rouge-score). Ends: where a text \
ends, and, early, at all its other positions, how often the prediction reaches the cosine to the end of text that stops a continuation. Sets other than `stories` show how far the models \
reach; `.fr`, `.de`, `.es` are zero-shot, the concept models read English only. Base-LCM predicts without sampling noise here. `drafts`: not in the likeliest words, but in those of the draft that is kept where a text is \
continued, as the defaults have it."""
SUMMARIES = """\
Each model goes on after the text and the sentence "In short.", without noise, for as many sentences as the true summary has; "first sentences" are as \
many of the text itself. F1 by rouge-score."""
YARDSTICK = """\
MI: per token, log p(sentence | 10 before) - log p(sentence) under our token-level language model (token-lm), which stands in for GPT-2 and favours \
its own sentences. Where token-lm itself writes, it does so greedily after true sentences, at the first quarter of the positions, and at temperature \
0.7 in free continuations."""


def table(head: list[str], rows: list[list]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def comparison(scores: dict) -> str:
    parts = [EXPLANATION]
    if "token-lm" in scores["free"]:
        parts.append(YARDSTICK)
    for name, entry in scores["teacher_forced"].items():
        parts.append(f"Held-out `{name}`, {entry['positions']} positions:")
        parts.append(_scores(entry["models"], COLUMNS))
    parts.append(
        "Five free sentences at most after the first four of unseen stories (default decoding, fixed seeds):"
    )
    parts.append(_scores(scores["free"], FREE))
    for name, entry in scores["free"].items():
        parts.append(f"{name}, the first {len(entry['samples'])}, unselected:")
        lines = [f"- *{' '.join(s['prompt'])}* → {' '.join(s['continuation'])}" for s in entry["samples"]]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _scores(models: dict, columns: dict) -> str:
    """A table of the models by those of the columns that any of them has."""
    known = {key: title for key, title in columns.items() if any(key in entry for entry in models.values())}
    rows = [[name, *(_cell(entry, key) for key in known)] for name, entry in models.items()]
    return table(["", *known.values()], rows)


def _cell(entry: dict, key: str) -> str:
    if key not in entry:
        return ""
    return f"{100 * entry[key]:.1f}" if key in PERCENT else f"{entry[key]:.3f}"


def summaries(scores: dict) -> str:
    """ROUGE tables of `summary_scores.py` by kind of text, and samples of the kind that there are most texts of."""
    parts = [SUMMARIES]
    for kind, entry in scores.items():
        parts.append(f"`{kind}`, {entry['texts']} held-out texts:")
        rows = [
            [name, *(f"{value:.1f}" for value in found.values())] for name, found in entry["models"].items()
        ]
        parts.append(table(["", "ROUGE-1", "ROUGE-2", "ROUGE-L"], rows))
    kind, entry = max(scores.items(), key=lambda item: item[1]["texts"])
    parts.append(f"`{kind}`, the first {len(entry['samples'])}, unselected:")
    for sample in entry["samples"]:
        lines = [f"- *{' '.join(sample['text'])}* → {' '.join(sample['summary'])}"]
        lines += [f"  - {name}: {' '.join(sample[name])}" for name in entry["models"] if name in sample]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
