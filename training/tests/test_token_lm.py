"""The token-level yardstick: sizes, likelihoods and continuations, against plain computations."""

import math

import numpy as np
import pytest
import torch

from noema_training.config import EOS
from noema_training.profiles import PROFILES
from noema_training.token_lm import TokenLm, count_parameters, matched_sizes, token_batches, token_loss
from noema_training.token_scores import TokenScorer


class Letters:
    """A tokenizer of one piece a letter, `a` = 4."""

    class Encoding:
        def __init__(self, ids):
            self.ids = ids

    def encode_batch(self, texts):
        return [self.Encoding([ord(letter) - 93 for letter in text]) for text in texts]

    def decode(self, ids):
        return "".join(chr(token + 93) for token in ids)


@pytest.fixture
def scorer() -> TokenScorer:
    torch.manual_seed(0)
    return TokenScorer(TokenLm(40, 16, layers=1, heads=2, ffn_inner=32).eval(), Letters(), language=39)


def test_sizes_match_the_parameter_count():
    sizes = matched_sizes(3_000_000, 8000, PROFILES["cpu"].token_lm)
    assert abs(count_parameters(TokenLm, sizes) - 3_000_000) < 200_000


def test_likelihood_is_the_sum_over_pieces_whatever_the_batch(scorer):
    contexts, sentences = [[[5, 6]], []], [[7, 8, 9], [10]]
    got = scorer.log_likelihoods(contexts, sentences)
    for context, sentence, value in zip(contexts, sentences, got, strict=True):
        prefix = scorer.prefix(context)
        logits = scorer.model.logits(scorer.model.hidden(torch.tensor([prefix + sentence])))[0]
        logs = logits.log_softmax(-1)
        want = sum(logs[len(prefix) - 1 + i, token].item() for i, token in enumerate(sentence))
        assert value.item() == pytest.approx(want, abs=1e-4)


def test_mutual_information_without_context_is_zero(scorer):
    assert scorer.mutual_information([[], []], ["abc", "d"]) == pytest.approx(0, abs=1e-6)
    given = scorer.log_likelihoods([[[4, 5]]], [[6, 7]]) - scorer.log_likelihoods([[]], [[6, 7]])
    assert scorer.mutual_information([["ab"]], ["cd"]) == pytest.approx(given.item() / 2, abs=1e-5)


def test_only_the_last_ten_sentences_are_context(scorer):
    context = [[4 + i] for i in range(12)]
    assert scorer.prefix(context) == [EOS, 39, *(token for i in range(2, 12) for token in (4 + i, EOS))]


def test_greedy_continuation_takes_the_likeliest_piece(scorer):
    text = scorer.continue_texts([["ab"]], count=1, most=1)[0][0]
    ids = torch.tensor([scorer.prefix([[4, 5]])])
    logits = scorer.model.logits(scorer.model.hidden(ids))[0, -1]
    logits[0] = -torch.inf
    assert text == ("" if logits.argmax() == EOS else chr(int(logits.argmax()) + 93))


def test_windows_begin_at_sentences_and_fit():
    class Two:
        def __len__(self):
            return 2

        def sentences(self, index):
            return [[10 + index] * 5, [20 + index] * 5, [30 + index] * 5]

    config = PROFILES["test"].token_lm
    config = type(config)(**{**vars(config), "max_tokens": 14})
    batch = next(token_batches(Two(), config, 39, np.random.default_rng(0)))
    assert batch.shape[1] <= 14
    assert batch[:, :2].eq(torch.tensor([EOS, 39])).all()


def test_loss_leaves_out_prefix_and_padding(scorer):
    ids = torch.tensor([[EOS, 39, 5, EOS, 0, 0]])
    longer = torch.cat([ids, torch.zeros(1, 3, dtype=torch.long)], 1)
    loss = token_loss(scorer.model, ids)
    assert torch.allclose(loss, token_loss(scorer.model, longer), atol=1e-5)
    assert loss.item() < 3 * math.log(40)
