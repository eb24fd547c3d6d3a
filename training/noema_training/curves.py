"""The losses that trainers logged, over their steps, as tables for the model card."""

import json
from pathlib import Path

from .comparison_card import table

ROWS = 12
EXPLANATION = (
    "Losses over steps, below, are moving averages over some hundred steps, which begin anew after a pause; "
    "`valid` is that of the averaged weights on held-out documents, without noise (the diffusion models: always the same noise)."
)
NO_LOSSES = ("step", "seconds", "scale", "seconds_per_step", "finished")


def curve(log: Path, most: int = ROWS) -> str:
    """Of a trainer's WORK/NAME.log.jsonl at most `most` lines, evenly spread over the steps, the last among them; empty without a log.

    Losses are moving averages over the steps before, `valid_…` those of the averaged weights on held-out documents.
    """
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    # After a pause some steps are logged again: the later line counts.
    entries = list({entry["step"]: entry for entry in entries if "finished" not in entry}.values())
    if not entries:
        return ""
    validated = [entry for entry in entries if any(name.startswith("valid") for name in entry)]
    shown = spread(validated or entries, most)
    names = [name for name in shown[-1] if name not in NO_LOSSES]
    rows = [
        [str(entry["step"]), f"{entry['seconds'] / 60:.0f}"]
        + [f"{entry[name]:.3f}" if name in entry else "" for name in names]
        for entry in shown
    ]
    return table(["step", "minutes", *names], rows)


def spread(entries: list[dict], most: int) -> list[dict]:
    """At most `most` of the entries, evenly spread, the last one included."""
    count = min(most, len(entries))
    return [entries[(index + 1) * len(entries) // count - 1] for index in range(count)]


def curves(work: Path, steps: tuple[str, ...]) -> str:
    """A heading and a table for each of the steps that has a log."""
    tables = [(step, curve(work / f"{step}.log.jsonl")) for step in steps]
    parts = [f"### Loss over steps: {step}\n\n{table}" for step, table in tables if table]
    return "\n\n".join([EXPLANATION, *parts]) if parts else ""
