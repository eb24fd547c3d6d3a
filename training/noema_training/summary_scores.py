"""Summaries that the concept models write of held-out texts, against the true ones and beside the text's own first sentences."""

import json
from collections import defaultdict
from pathlib import Path

from .comparison import concept_models
from .config import SUMMARY
from .metrics import rouge
from .runtime import ExportedSpace
from .text import read_lines

SAMPLES = 10


def score_summaries(work: Path, folder: Path, space: ExportedSpace, limit: int | None = None) -> dict:
    """ROUGE of summaries by kind of text, then by model; the first samples, unselected. Empty where there are no held-out texts.

    A summary is what follows the text and the sentence SUMMARY, without noise, as many sentences as the true one has.
    """
    path = work / "text" / "summaries.valid.jsonl"
    kinds = defaultdict(list)
    for line in read_lines(path) if path.exists() else ():
        document = json.loads(line)
        kinds[document["id"].split("/")[0].split("-")[0]].append(document["sentences"])
    return {kind: _score(texts[:limit], folder, space) for kind, texts in kinds.items()}


def _score(texts: list[list[str]], folder: Path, space: ExportedSpace) -> dict:
    asked = [sentences.index(SUMMARY) + 1 for sentences in texts]
    references = [sentences[at:-1] for sentences, at in zip(texts, asked, strict=True)]
    starts = [sentences[:at] for sentences, at in zip(texts, asked, strict=True)]
    written = {"first sentences": [text[: len(true)] for text, true in zip(texts, references, strict=True)]}
    for name, write in concept_models(folder, space, noise=False)[1].items():
        written[name] = [write([start], len(true))[0] for start, true in zip(starts, references, strict=True)]
    joined = [" ".join(true) for true in references]
    models = {name: rouge([" ".join(s) for s in summaries], joined) for name, summaries in written.items()}
    samples = [
        {"text": sentences[: at - 1], "summary": true, **{name: written[name][n] for name in written}}
        for n, (sentences, at, true) in enumerate(zip(texts, asked, references, strict=True))
    ]
    return {"texts": len(texts), "models": models, "samples": samples[:SAMPLES]}
