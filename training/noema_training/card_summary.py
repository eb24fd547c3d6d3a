"""The model card's first table: the main scores, each beside what it has to be compared with."""

from .comparison_card import table
from .space_card import percent

LANGUAGES = ("English", "French", "German", "Spanish")
SHORT, LONG = "{}, at most 12 words", "{}, 13-30 words"
SETS = {
    "stories": "sentence of stories of unseen worlds",
    "short-stories": "sentence of unseen short stories",
}
BASELINES = ("copy of last", "mean of context")


def summary(scores: dict) -> str:
    """What the folder does best and worst, from the scores that `evaluate` found."""
    rows = [
        *_exact(scores["round_trip"]),
        *_translations(scores["translation"]),
        *_search(scores["xsim_error"]),
        *_next(scores["comparison"]["teacher_forced"]),
        *_marked(scores["marks"]),
        *_summaries(scores["summaries"]),
    ]
    return table(["", "score", "beside it"], rows)


def _exact(round_trip: dict) -> list[list[str]]:
    rows = []
    for kind, words in ((SHORT, "at most 12 words"), (LONG, "13-30 words")):
        names = [name for name in LANGUAGES if kind.format(name) in round_trip]
        found = [round_trip[kind.format(name)] for name in names]
        if found:
            greedy = ", ".join(percent(row["others"]["greedy"]["exact"]) for row in found if row["others"])
            rows.append(
                [
                    f"sentences of {words} that come back to the letter ({', '.join(names)})",
                    ", ".join(percent(row["exact"]) for row in found),
                    f"in greedy words {greedy}" if greedy else "",
                ]
            )
    return rows


def _translations(translation: dict) -> list[list[str]]:
    if not translation:
        return []
    scores = (f"{row['chrf']:.1f}" for row in translation.values())
    greedy = [
        f"{row['others']['greedy']['chrf']:.1f}" for row in translation.values() if "greedy" in row["others"]
    ]
    return [
        [
            f"translation through the vector, chrF ({', '.join(translation)})",
            ", ".join(scores),
            f"in greedy words {', '.join(greedy)}" if greedy else "",
        ]
    ]


def _search(errors: dict) -> list[list[str]]:
    if not errors:
        return []
    found = ", ".join(percent(row["cosine"]) for row in errors.values())
    return [[f"a translation's nearest vector is another sentence's ({', '.join(errors)})", found, ""]]


def _next(sets: dict) -> list[list[str]]:
    rows = []
    for kind, what in SETS.items():
        models = sets.get(kind, {}).get("models", {})
        found = {name: entry["ca"] for name, entry in models.items() if "ca" in entry}
        own = [name for name in found if name not in BASELINES]
        if own:
            baselines = ", ".join(f"{name} {percent(found[name])}" for name in BASELINES)
            values = ", ".join(percent(found[name]) for name in own)
            rows.append([f"next {what}: CA, chance 50% ({', '.join(own)})", values, baselines])
    return rows


def _marked(marks: dict) -> list[list[str]]:
    if not marks:
        return []
    beside = f"of all drafts {marks['all']:.2f}, of the best of each {marks['best']:.2f}"
    return [["mark from 0 to 3 of the draft that base-lcm keeps", f"{marks['kept']:.2f}", beside]]


def _summaries(found: dict) -> list[list[str]]:
    if not found:
        return []
    kind, entry = max(found.items(), key=lambda item: item[1]["texts"])
    models = {name: f"{row['rougeL']:.1f}" for name, row in entry["models"].items()}
    first = models.pop("first sentences")
    row = f"summaries of {entry['texts']:,} texts (`{kind}`), ROUGE-L ({', '.join(models)})"
    return [[row, ", ".join(models.values()), f"first sentences {first}"]]
