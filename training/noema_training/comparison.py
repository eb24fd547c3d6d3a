"""Every concept model and the token-level yardstick on the same held-out documents, by the metrics of lcm.md §9."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .base_lcm import BaseLcm, generate_base
from .concept_scores import HeldOut, predict
from .config import END_OF_TEXT, LANGUAGES
from .diffusion import generate
from .metrics import (
    contrastive_accuracy,
    distinct,
    l2,
    paraphrase_ratio,
    repeated_sentences,
    repetition,
    rouge_l,
)
from .runtime import ExportedSpace, load_base, load_two_tower
from .token_lm import load_token_lm
from .token_scores import TokenScorer

PROMPT, SENTENCES, SAMPLES = 4, 5, 20
POSITIONS = 400
TEMPERATURE = 0.7
# On these sets words are also drawn as the browser draws them, which is slow.
DRAFTED = ("stories", "short-stories")

Predictor = Callable[[HeldOut], Tensor]
Step = Callable[
    [Tensor, torch.Generator], Tensor
]  # raw concepts [1, length, dim] -> the next one [1, 1, dim]
Writer = Callable[[list[list[str]], int], list[list[str]]]


def compare(work: Path, folder: Path, space: ExportedSpace, limit: int | None = None) -> dict:
    """Scores by held-out set, then by model; free continuations and samples of the simple stories.

    Sets are work/text/KIND[.LANGUAGE].valid.jsonl: all but the stories' own language are zero-shot, the models saw English only.
    """
    scorer = None
    if (work / "token-lm.pt").exists():
        language = space.languages["eng_Latn"]
        scorer = TokenScorer(load_token_lm(work), space.tokenizer, language)
    predictors, writers = concept_models(folder, space)
    teacher_forced = {}
    for path in sorted((work / "text").glob("*.valid.jsonl")):
        short = path.name.split(".")[-3] if path.name.count(".") == 3 else "en"
        if LANGUAGES[short] not in space.languages or not path.stat().st_size:
            continue
        held_out = HeldOut(work, space, limit or 60, path.name, LANGUAGES[short])
        kind = path.name.removesuffix(".valid.jsonl")
        teacher_forced[kind] = score_set(
            held_out,
            space,
            predictors,
            scorer if short == "en" else None,
            POSITIONS if limit is None else 8 * limit,
            kind in DRAFTED,
        )
    held_out = HeldOut(work, space, None if limit is None else limit)
    prompts = one_prompt_a_world(held_out, SAMPLES if limit is None else min(limit, SAMPLES))
    texts = [held_out.documents[number][:PROMPT] for number in prompts]
    free = {
        name: score_free(held_out, prompts, write(texts, SENTENCES), scorer)
        for name, write in writers.items()
    }
    if scorer is not None:
        written = scorer.continue_texts(texts, SENTENCES, temperature=TEMPERATURE)
        free["token-lm"] = score_free(held_out, prompts, written, scorer)
    return {"teacher_forced": teacher_forced, "free": free}


def concept_models(
    folder: Path, space: ExportedSpace, noise: bool = True
) -> tuple[dict[str, Predictor], dict[str, Writer]]:
    """Of each exported concept model: the teacher-forced predictor, and the writer of free continuations.

    A writer takes English beginnings and how many sentences to write at most of each. `noise`: the Base-LCM's
    default temperature and words drawn where the manifest says so, else none and the likeliest words.
    """
    models = space.manifest["conceptModels"]
    end = torch.from_numpy(space.encode([space.manifest["space"]["endOfText"]]))[0]
    predictors: dict[str, Predictor] = {"mean of context": mean_of_context, "copy of last": copy_of_last}
    writers: dict[str, Writer] = {}

    def writer(name: str, step: Step) -> Writer:
        decoding = models[name]["decoding"] if noise else models[name]["decoding"] | {"text": None}

        def write(texts: list[list[str]], count: int) -> list[list[str]]:
            return [
                continuation(space, text, count, step, decoding, end, torch.Generator().manual_seed(seed))
                for seed, text in enumerate(texts)
            ]

        return write

    if "two-tower" in models:
        two_tower, decoding = load_two_tower(folder)
        predictors["two-tower"] = lambda held_out: predict(two_tower, held_out, decoding)

        def diffuse(concepts: Tensor, random: torch.Generator) -> Tensor:
            draw = lambda _: torch.randn(1, concepts.shape[-1], generator=random)  # noqa: E731
            return generate(two_tower, concepts, 1, decoding, draw)

        writers["two-tower"] = writer("two-tower", diffuse)
    if "base-lcm" in models:
        base = load_base(folder)
        predictors["base-lcm"] = lambda held_out: predict_base(base, held_out)
        temperature = models["base-lcm"]["decoding"]["temperature"] if noise else 0.0

        def draw_next(concepts: Tensor, random: torch.Generator) -> Tensor:
            return generate_base(base, concepts, 1, temperature, random)

        writers["base-lcm"] = writer("base-lcm", draw_next)
    return predictors, writers


def continuation(
    space: ExportedSpace,
    text: list[str],
    count: int,
    step: Step,
    decoding: dict,
    end: Tensor,
    random: torch.Generator,
) -> list[str]:
    """At most `count` sentences after a text, as the browser writes them by the manifest's `decoding`.

    `end` [dim] is the end of text. It is not among the sentences, nor is one that repeats the sentence before.
    """

    def stops(concept: Tensor, before: Tensor) -> bool:
        ends = F.cosine_similarity(concept, end, dim=0) >= decoding["endOfTextThreshold"]
        repeats = F.cosine_similarity(concept, before, dim=0) >= decoding["stopOnRepetitionThreshold"]
        return bool(ends or repeats)

    def searched(vector: np.ndarray) -> str:
        return space.say(vector[None], "eng_Latn", decoding["beam"])[0]

    concepts, sentences, drawn = torch.from_numpy(space.encode(text))[None], [], decoding.get("text")
    for index in range(count):
        concept = step(concepts, random)
        if index and stops(concept[0, 0], concepts[0, -1]):
            break
        vector, before = concept[0, 0].numpy(), [*text, *sentences]
        sentence = space.draft(vector, drawn, random, before) if drawn else searched(vector)
        if decoding.get("reread") and sentence:
            concept = torch.from_numpy(space.encode([sentence]))[None]
            if index and stops(concept[0, 0], concepts[0, -1]):
                break
        sentences.append(sentence)
        concepts = torch.cat([concepts, concept], dim=1)
    return sentences


@torch.no_grad()
def predict_base(model: BaseLcm, held_out: HeldOut) -> Tensor:
    """Raw next-concept predictions [documents, length, dim] from true contexts; the first of each document is not one."""
    return shifted(model.predict(held_out.concepts))


def shifted(x: Tensor) -> Tensor:
    return F.pad(x[:, :-1], (0, 0, 1, 0))


def mean_of_context(held_out: HeldOut) -> Tensor:
    counts = torch.arange(1, held_out.concepts.shape[1] + 1)[:, None]
    return shifted(held_out.concepts.cumsum(1) / counts)


def copy_of_last(held_out: HeldOut) -> Tensor:
    return shifted(held_out.concepts)


def score_set(
    held_out: HeldOut,
    space: ExportedSpace,
    predictors: dict[str, Predictor],
    scorer: TokenScorer | None,
    positions: int,
    drafted: bool = False,
) -> dict:
    """All teacher-forced metrics at up to `positions` random positions of one set; MI and ROUGE-L on decoded text.

    The token-level model, slow without a cache, writes at a quarter of them. `drafted`: also what the models with a manifest's `text`
    say by it.
    """
    rows = held_out.scored.flatten().nonzero()[:, 0]
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:positions]]
    length = held_out.index.shape[1]
    documents, places = rows // length, rows % length
    truth = held_out.concepts.flatten(0, 1)[rows]
    sentences = [held_out.documents[d][p] for d, p in zip(documents.tolist(), places.tolist(), strict=True)]
    contexts = [held_out.documents[d][:p] for d, p in zip(documents.tolist(), places.tolist(), strict=True)]
    targets, neighbours = held_out.truth(rows), held_out.neighbours(rows)

    def score(predicted: Tensor, texts: list[str] | None = None) -> dict:
        read = texts is None
        texts = space.decode(predicted.numpy(), held_out.language) if read else texts
        back = torch.from_numpy(space.encode(texts, held_out.language))
        found = {
            "l2_r": l2(back, truth),
            "ca_r": contrastive_accuracy(back, held_out.bank, targets, neighbours),
            "rouge_l": rouge_l(texts, sentences),
        }
        if read:
            found["l2"] = l2(predicted, truth)
            found["ca"] = contrastive_accuracy(predicted, held_out.bank, targets, neighbours)
            found["par"] = paraphrase_ratio(predicted, truth, held_out.concepts[documents], places)
        if scorer is not None:
            found["mi"] = scorer.mutual_information(contexts, texts)
        return found

    scores = {}
    for name, make in predictors.items():
        predicted = make(held_out)
        scores[name] = score(predicted.flatten(0, 1)[rows])
        if entry := space.manifest["conceptModels"].get(name):
            scores[name] |= end_scores(predicted, held_out, space, entry["decoding"]["endOfTextThreshold"])
            if drafted and (text := entry["decoding"].get("text")):
                picked = predicted.flatten(0, 1)[rows]
                scores[f"{name}, drafts"] = score(picked, drafts(space, picked, text, contexts))
    if scorer is not None:
        few = slice(0, positions // 4)
        written = [scorer.continue_texts([context], 1)[0][0] for context in contexts[few]]
        scores["token-lm"] = {
            "rouge_l": rouge_l(written, sentences[few]),
            "mi": scorer.mutual_information(contexts[few], written),
        }
        scores["true sentence"] = {"mi": scorer.mutual_information(contexts, sentences)}
    return {"positions": len(rows), "models": scores}


def drafts(space: ExportedSpace, predicted: Tensor, text: dict, contexts: list[list[str]]) -> list[str]:
    """What the browser says for raw predictions [n, dim] after their contexts, by a manifest's `text`; always the same draws."""
    return [
        space.draft(vector, text, torch.Generator().manual_seed(row), context)
        for row, (vector, context) in enumerate(zip(predicted.numpy(), contexts, strict=True))
    ]


def end_scores(predicted: Tensor, held_out: HeldOut, space: ExportedSpace, threshold: float) -> dict:
    """Shares of the documents' ends and of their other positions where a prediction ends a text, as `continuation` decides.

    predicted: raw, of every concept [documents, length, dim]. Empty where no document ends within its first concepts.
    """
    end = torch.from_numpy(space.encode([space.manifest["space"]["endOfText"]]))[0]
    stops = F.cosine_similarity(predicted, end, dim=-1) >= threshold
    ends = torch.zeros_like(held_out.scored)
    for row, sentences in enumerate(held_out.documents):
        ends[row, len(sentences) - 1] = sentences[-1] == END_OF_TEXT
    if not ends.any():
        return {}
    others = held_out.scored & ~ends
    return {"ends": stops[ends].float().mean().item(), "ends_early": stops[others].float().mean().item()}


def one_prompt_a_world(held_out: HeldOut, count: int) -> list[int]:
    """The first documents that have a prompt and more, unselected."""
    long = [i for i, sentences in enumerate(held_out.documents) if len(sentences) > PROMPT]
    return long[:count]


def score_free(
    held_out: HeldOut, prompts: list[int], written: list[list[str]], scorer: TokenScorer | None
) -> dict:
    """Variety and coherence of free continuations, and all of them."""
    starts = [held_out.documents[number][:PROMPT] for number in prompts]
    scores = {f"distinct_{n}": distinct(written, n) for n in (1, 2, 3)}
    scores |= {"repetition_4": repetition(written), "repeated_sentences": repeated_sentences(written)}
    if scorer is not None:
        contexts = [
            [*start, *texts[:i]]
            for start, texts in zip(starts, written, strict=True)
            for i in range(len(texts))
        ]
        scores["mi"] = scorer.mutual_information(contexts, [text for texts in written for text in texts])
    scores["samples"] = [
        {"prompt": start, "continuation": texts} for start, texts in zip(starts, written, strict=True)
    ]
    return scores
