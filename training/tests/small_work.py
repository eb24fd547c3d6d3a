"""A small work directory for the tests of the steps: stories from training/worlds and a few pairs written here."""

import json
from pathlib import Path

from noema_training.__main__ import main

PAIRS = {
    "fr": [("The {} is here.", "Le {} est ici."), ("I see the {}.", "Je vois le {}.")],
    "de": [("The {} is here.", "Der {} ist hier."), ("I see the {}.", "Ich sehe den {}.")],
    "es": [("The {} is here.", "El {} está aquí."), ("I see the {}.", "Veo el {}.")],
}
NOUNS = [
    f"{first}{last}" for first in ("ka", "lo", "mi", "tu", "re") for last in ("ron", "bel", "dan", "sop")
]


def write_data(data: Path) -> None:
    """A few pairs, sentences and documents of each kind."""
    for folder in ("pairs", "sentences", "documents"):
        (data / folder).mkdir(parents=True)
    for language, patterns in PAIRS.items():
        lines = [f"{e.format(noun)}\t{o.format(noun)}" for noun in NOUNS for e, o in patterns]
        (data / "pairs" / f"en-{language}.tsv").write_text("\n".join(lines) + "\n")
    (data / "sentences" / "pt.txt").write_text("".join(f"O {noun} está aqui.\n" for noun in NOUNS * 2))
    text = [f"The {noun} is old. It came from the sea. It sleeps at home. Nobody saw it." for noun in NOUNS]
    kinds = {
        "stories": lambda i: {"id": f"asp/en/{i}", "paragraphs": [text[i]]},
        "encyclopedia": lambda i: {"id": f"wiki-{i}", "lead": [text[i]], "body": [text[i - 1], text[i - 2]]},
        "dialogues": lambda i: {"id": f"talk-{i}", "turns": text[i].split(". ")},
    }
    for kind, make in kinds.items():
        lines = [json.dumps(make(i)) for i in range(len(NOUNS))]
        (data / "documents" / f"{kind}.en.jsonl").write_text("\n".join(lines) + "\n")
    french = {
        "id": "asp/fr/1",
        "paragraphs": ["Le chat dort. Il est vieux. Il aime la mer. Personne ne le voit."],
    }
    (data / "documents" / "stories.fr.jsonl").write_text(json.dumps(french) + "\n")


def run(work: Path, step: str, *arguments: str) -> dict:
    return main([step, "--work", str(work), "--profile", "test", "--threads", "1", *arguments])
