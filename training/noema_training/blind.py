"""Step `blind`: continuations by several model folders on one sheet, in an order that readers do not know, and the means of their marks.

Called once, it writes the sheet; called again when somebody has read it and written the marks beside it, it says what each folder got.
"""

import json
import random
import re
from pathlib import Path

import numpy as np

from .comparison import SENTENCES, concept_models
from .runtime import ExportedSpace
from .text import clean, read_lines, split_sentences

GRADES = ("grammar", "sense", "variety")  # from 1 to 10
_LINE = re.compile(r"(\d+) ([a-z]): (\d+) (\d+) (\d+)")


def blind(work: Path, folders: list[Path], openings: Path, limit: int | None, seed: int) -> dict:
    """Writes WORK/blind.txt, the sheet, and WORK/blind.json, what stands where; with WORK/blind.marks there, scores instead.

    Every folder's default concept model goes on with each of at most `limit` openings, one a line. The sheet has each opening after its
    number in brackets, and the continuations below, `a) …`. A line of marks is `NUMBER LETTER: GRAMMAR SENSE VARIETY`.
    """
    if (work / "blind.marks").exists():
        return blind_scores(work)
    texts = [split_sentences(clean(line)) for line in read_lines(openings) if line.strip()][:limit]
    written = [_continued(folder, texts) for folder in folders]
    rng, orders, lines = random.Random(seed), [], []
    for number, text in enumerate(texts):
        order = rng.sample(range(len(folders)), len(folders))
        orders.append(order)
        lines.append(f"[{number}] {' '.join(text)}")
        lines += [
            f"{_letter(place)}) {' '.join(written[which][number])}" for place, which in enumerate(order)
        ]
    (work / "blind.txt").write_text("\n".join(lines) + "\n")
    names = [str(folder) for folder in folders]
    (work / "blind.json").write_text(json.dumps({"folders": names, "orders": orders}))
    return {"openings": len(texts), "sheet": str(work / "blind.txt")}


def blind_scores(work: Path) -> dict:
    """Of each folder the mean of each grade, how far that is from the first folder's, and the standard error of these differences,
    which is 0 for one opening.

    Raises ValueError where a continuation has no marks or a line of marks cannot be read.
    """
    key = json.loads((work / "blind.json").read_text())
    marks = np.zeros((len(key["orders"]), len(key["folders"]), len(GRADES)))
    for number, line in enumerate(filter(None, map(str.strip, read_lines(work / "blind.marks"))), 1):
        found = _LINE.fullmatch(line)
        at, place = (int(found[1]), ord(found[2]) - ord("a")) if found else (-1, -1)
        grades = [int(grade) for grade in found.groups()[2:]] if found else [0]
        fits = 0 <= at < len(marks) and place < len(key["folders"])
        if not fits or not all(1 <= grade <= 10 for grade in grades):
            raise ValueError(f"blind.marks, line {number}: wants e.g. `7 a: 8 4 6`, marks from 1 to 10")
        marks[at, key["orders"][at][place]] = grades
    if not marks.all():
        at = int(np.argwhere(marks == 0)[0, 0])
        raise ValueError(f"blind.marks: a continuation of [{at}] has no marks")
    ahead = marks - marks[:, :1]
    errors = ahead.std(0, ddof=1) / len(marks) ** 0.5 if len(marks) > 1 else np.zeros(marks.shape[1:])
    return {
        name: {
            grade: {
                "mean": round(marks[:, which, column].mean(), 2),
                "ahead": round(ahead[:, which, column].mean(), 2),
                "error": round(errors[which, column], 2),
            }
            for column, grade in enumerate(GRADES)
        }
        for which, name in enumerate(key["folders"])
    }


def _continued(folder: Path, texts: list[list[str]]) -> list[list[str]]:
    space = ExportedSpace(folder)
    write = concept_models(folder, space)[1][space.manifest["defaultConceptModel"]]
    return write(texts, SENTENCES)


def _letter(place: int) -> str:
    return chr(ord("a") + place)
