"""Each metric against hand-made vectors and sentences."""

import numpy as np
import pytest
import torch

from noema_training.evaluate import first_of_each
from noema_training.metrics import (
    contrastive_accuracy,
    distinct,
    l2,
    paraphrase_ratio,
    repeated_sentences,
    repetition,
    rouge,
    rouge_l,
    xsim_errors,
)


def test_l2_is_the_mean_distance():
    assert l2(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.zeros(2, 2)) == pytest.approx(3.0)


def test_contrastive_accuracy_leaves_out_truth_and_neighbours():
    bank = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]])
    # The prediction 1.4 is 0.6 from its truth 2; of the rest 0 and 10 count, 1 and 3 are neighbours.
    neighbours = torch.tensor([[1, 3]])
    assert contrastive_accuracy(torch.tensor([[1.4]]), bank, torch.tensor([2]), neighbours) == 1.0
    assert contrastive_accuracy(torch.tensor([[0.2]]), bank, torch.tensor([2]), neighbours) == 0.5
    none = torch.tensor([[2, 2]])
    assert contrastive_accuracy(torch.tensor([[1.4]]), bank, torch.tensor([2]), none) == pytest.approx(3 / 4)


def test_paraphrase_ratio_compares_nearest_context_cosines():
    context = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 9.0]]])
    truth = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    predicted = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
    both = paraphrase_ratio(predicted[:1], truth[:1], context[:1], torch.tensor([2]))
    assert both == pytest.approx(2**0.5)
    # Of the second context only the first concept stands before the position.
    assert paraphrase_ratio(predicted, truth, context, torch.tensor([2, 1])) == pytest.approx(2**0.5 / 2)


def test_paraphrase_ratio_leaves_out_rows_without_a_positive_cosine():
    context = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    truth = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    assert paraphrase_ratio(truth, truth, context, torch.tensor([1, 1])) == pytest.approx(1.0)


def test_rouge_l_is_the_mean_f1_of_longest_common_subsequences():
    assert rouge_l(["the cat sat"], ["the cat sat"]) == pytest.approx(100)
    # Common subsequence "the sat", precision 2/2, recall 2/3.
    assert rouge_l(["the sat", "no"], ["the cat sat", "yes"]) == pytest.approx(100 * 0.8 / 2)


def test_distinct_counts_ngrams_within_sentences():
    assert distinct([["a b a"], ["a b"]], 1) == pytest.approx(2 / 5)
    assert distinct([["a b a"], ["a b"]], 2) == pytest.approx(2 / 3)
    assert distinct([[]], 2) == 0


def test_repetition_is_the_share_of_ngrams_seen_before_in_the_document():
    assert repetition([["a b c d", "e f"]]) == 0
    assert repetition([["a b c d", "a b c d"]]) == pytest.approx(1 / 5)
    assert repetition([["a b c d", "a b c d"], ["short"]]) == pytest.approx(1 / 5)
    assert repeated_sentences([["a", "b", "a"], ["a"]]) == pytest.approx(1 / 4)


def test_xsim_margin_helps_where_one_target_is_near_to_all():
    rng = np.random.default_rng(0)
    source = np.eye(6) + 0.01 * rng.standard_normal((6, 6))
    assert xsim_errors(source, np.eye(6)) == {"cosine": 0.0, "margin": 0.0}
    assert xsim_errors(source, np.eye(6)[::-1])["cosine"] == 1.0
    hub = np.eye(6)
    hub[0] = 1.0
    leaning = source + 0.8
    errors = xsim_errors(leaning, hub)
    assert errors["cosine"] > errors["margin"]


def test_search_is_scored_on_pairs_whose_sides_stand_once():
    english = ["I see.", "I see!", "You see.", "We see.", "They see."]
    french = ["Je vois.", "Je comprends.", "Tu vois.", "tu vois", "Ils voient."]
    assert first_of_each(english, french) == [0, 2, 4]


def test_rouge_is_a_percentage_of_shared_words():
    assert rouge(["the cat sat"], ["the cat sat"]) == {"rouge1": 100, "rouge2": 100, "rougeL": 100}
    found = rouge(["the cat ran", "no word"], ["the cat sat", "of those"])
    assert found["rouge1"] == pytest.approx(100 / 3) and found["rouge2"] == pytest.approx(25)
