"""Scores of predicted concepts and generated sentences, each as lcm.md §9 defines it."""

from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from rouge_score.rouge_scorer import RougeScorer
from torch import Tensor


def l2(predicted: Tensor, truth: Tensor) -> float:
    """Mean Euclidean distance of rows [n, dim]. With predictions decoded to text and encoded again: round-trip ℓ2."""
    return (predicted - truth).norm(dim=1).mean().item()


def contrastive_accuracy(predicted: Tensor, bank: Tensor, truth: Tensor, neighbours: Tensor) -> float:
    """CA: mean share of the other true concepts that are farther from the prediction than the true one.

    predicted [n, dim]; bank [m, dim]; truth [n] and neighbours [n, k] index the bank. The true concept and its neighbours do not count;
    a missing neighbour is given as the truth itself.
    """
    distances = torch.cdist(predicted, bank)
    limit = distances.gather(1, truth[:, None])
    others = torch.ones_like(distances, dtype=torch.bool)
    others.scatter_(1, torch.cat([truth[:, None], neighbours], dim=1), False)
    return (((distances > limit) & others).sum(1) / others.sum(1).clamp(min=1)).mean().item()


def paraphrase_ratio(predicted: Tensor, truth: Tensor, context: Tensor, length: Tensor) -> float:
    """PAR: mean of max_m cos(x̂, x_m) / max_m cos(x_n, x_m) over the concepts m before n.

    predicted, truth [n, dim]; context [n, most, dim] of which row i has length[i] concepts, at least one. Rows whose true concept has no
    positive cosine with its context have no ratio and are left out.
    """
    seen = torch.arange(context.shape[1])[None] < length[:, None]
    nearest = lambda x: F.cosine_similarity(x[:, None], context, dim=-1).masked_fill(~seen, -2).amax(1)  # noqa: E731
    of_truth = nearest(truth)
    usable = of_truth > 1e-6
    return (nearest(predicted)[usable] / of_truth[usable]).mean().item()


def rouge_l(texts: list[str], references: list[str]) -> float:
    """Mean ROUGE-L F1 of sentences against the true ones, times 100 (rouge-score, no stemming)."""
    scorer = RougeScorer(["rougeL"])
    pairs = zip(texts, references, strict=True)
    return 100 * float(np.mean([scorer.score(truth, text)["rougeL"].fmeasure for text, truth in pairs]))


def rouge(texts: list[str], references: list[str]) -> dict[str, float]:
    """Mean F1 of ROUGE-1, -2 and -L of texts against the true ones, times 100 (rouge-score, no stemming)."""
    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(list(names))
    found = [scorer.score(truth, text) for text, truth in zip(texts, references, strict=True)]
    return {name: 100 * float(np.mean([scores[name].fmeasure for scores in found])) for name in names}


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def distinct(documents: list[list[str]], n: int) -> float:
    """Distinct n-grams over all n-grams of all sentences together (distinct-n)."""
    grams = [g for sentences in documents for s in sentences for g in _grams(s.lower().split(), n)]
    return len(set(grams)) / max(1, len(grams))


def repetition(documents: list[list[str]], n: int = 4) -> float:
    """Mean share of a document's word n-grams that repeat an earlier one of it (REP-4 of the paper's table 10)."""
    shares = []
    for sentences in documents:
        counts = Counter(_grams(" ".join(sentences).lower().split(), n))
        total = sum(counts.values())
        if total:
            shares.append(1 - len(counts) / total)
    return float(np.mean(shares)) if shares else 0.0


def repeated_sentences(documents: list[list[str]]) -> float:
    """Share of all sentences that stand earlier in their own document."""
    total = sum(map(len, documents))
    return sum(len(sentences) - len(set(sentences)) for sentences in documents) / max(1, total)


def xsim_errors(source: np.ndarray, target: np.ndarray, neighbours: int = 4) -> dict[str, float]:
    """Share of rows whose best target is not the row's own, by cosine and by ratio margin (xsim, Artetxe and Schwenk 2019)."""
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    cosine = unit(source) @ unit(target).T
    k = min(neighbours, len(cosine))
    mean_best = lambda x: np.sort(x, axis=1)[:, -k:].mean(1)  # noqa: E731
    margin = cosine / ((mean_best(cosine)[:, None] + mean_best(cosine.T)[None]) / 2)
    wrong = lambda x: float(np.mean(x.argmax(1) != np.arange(len(x))))  # noqa: E731
    return {"cosine": wrong(cosine), "margin": wrong(margin)}
