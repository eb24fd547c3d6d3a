"""The losses on tiny random models: what flows where, and that memory-saving forms compute the same."""

import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, models

from noema_training.base_lcm import BaseLcm
from noema_training.base_training import base_loss, contrastive_loss
from noema_training.concept_training import document_batches
from noema_training.concepts import Documents
from noema_training.config import PAD
from noema_training.decoder_loss import decoder_loss, sample_positions
from noema_training.diffusion import cosine_alphas
from noema_training.documents import SentenceTokens
from noema_training.profiles import PROFILES
from noema_training.sonar import Decoder
from noema_training.space import Negatives
from noema_training.space import contrastive_loss as pair_loss
from noema_training.two_tower import TwoTower
from noema_training.two_tower_training import DecoderTerm, begin_as_base_lcm, diffusion_loss

DIM, VOCABULARY, SENTENCES = 16, 50, 20
LENGTHS = [3, 70, 5, 2]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Random sentences in documents of LENGTHS concepts, as the earlier steps leave them."""
    rng = np.random.default_rng(0)
    pieces = [rng.integers(4, 40, 1 + i % 7).astype(np.uint16) for i in range(SENTENCES)]
    order = rng.integers(0, SENTENCES, sum(LENGTHS)).astype(np.int32)
    offsets = np.cumsum([0, *LENGTHS])
    kinds = np.array([0, 1, 0, 2], np.uint8)
    for split in ("train", "valid"):
        np.savez(
            tmp_path / f"documents.{split}.npz",
            ids=np.concatenate(pieces),
            starts=np.cumsum([0, *map(len, pieces)]),
            order=order,
            offsets=offsets,
            kinds=kinds,
        )
        vectors = rng.standard_normal((SENTENCES, DIM)).astype(np.float16)
        np.savez(
            tmp_path / f"concepts.{split}.npz", vectors=vectors, order=order, offsets=offsets, kinds=kinds
        )
    torch.save({"center": torch.zeros(DIM), "scale": torch.ones(DIM)}, tmp_path / "normalizer.pt")
    tokenizer = Tokenizer(
        models.Unigram([("<pad>", 0.0), ("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)], unk_id=1)
    )
    tokenizer.add_special_tokens([AddedToken("__eng_Latn__", special=True)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.fixture
def decoder() -> Decoder:
    torch.manual_seed(0)
    return Decoder(VOCABULARY, DIM, layers=1, heads=2, ffn=32).eval().requires_grad_(False)


def test_decoder_rows_are_prefixed_and_shifted(work):
    tokens = SentenceTokens(work, "train")
    inputs, labels = tokens.decoder_rows(torch.tensor([0, 6]))
    assert inputs.shape == labels.shape == (2, 9)
    assert inputs[0, :2].tolist() == [3, tokens.language]
    assert labels[0, :3].tolist() == [PAD, inputs[0, 2].item(), 3]
    assert labels[0, 3:].eq(PAD).all() and labels[1, 1:8].equal(inputs[1, 2:9])


def test_decoder_loss_is_the_same_in_chunks_and_reaches_only_the_vectors(work, decoder):
    tokens, sentences = SentenceTokens(work, "train"), torch.arange(12)
    whole = torch.randn(12, DIM, requires_grad=True)
    parts = whole.detach().clone().requires_grad_()
    first = decoder_loss(decoder, whole, sentences, tokens)
    second = decoder_loss(decoder, parts, sentences, tokens, chunk=5)
    first.backward(), second.backward()
    assert torch.allclose(first, second)
    assert torch.allclose(whole.grad, parts.grad, atol=1e-6) and whole.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_base_loss_moves_every_parameter_and_never_targets_the_first_concept(work, decoder):
    config = replace(PROFILES["test"].base_lcm, context_noise=0.0)
    documents, tokens = Documents(work, "train"), SentenceTokens(work, "train")
    model = BaseLcm(DIM, 16, heads=2, layers=1, ffn_inner=32)
    rows = documents.pad([documents.rows(i) for i in (0, 2)])
    concepts = documents.gather(rows)[0]
    total, terms = base_loss(model, decoder, tokens, concepts, rows, config)
    total.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    weighted = config.regression_weight * terms["distance"] + config.contrastive_weight * terms["contrastive"]
    assert torch.allclose(total, terms["tokens"] + weighted)
    single = rows[:, :1]
    assert sample_positions(single[:, 1:] >= 0, 9).numel() == 0


def test_base_lcm_learns_the_next_sentence_through_the_decoder(work, decoder):
    torch.manual_seed(1)
    config = replace(
        PROFILES["test"].base_lcm, context_noise=0.0, contrastive_weight=0.0, decoded_positions=500
    )
    documents, tokens = Documents(work, "train"), SentenceTokens(work, "train")
    model = BaseLcm(DIM, 32, heads=2, layers=1, ffn_inner=64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rows = documents.pad([documents.rows(i) for i in range(4)])
    losses = []
    for _ in range(40):
        total, terms = base_loss(model, decoder, tokens, documents.gather(rows)[0], rows, config)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(terms["tokens"].item())
    assert losses[-1] < losses[0] - 0.3


def test_two_tower_terms_are_over_their_share_of_the_noise(work, decoder):
    config = replace(
        PROFILES["test"].two_tower, decoder_weight=0.5, decoder_timesteps=0, contrastive_weight=0.25
    )
    documents, alphas = Documents(work, "train"), cosine_alphas()
    model = TwoTower(DIM, 16, heads=2, context_layers=1, denoiser_layers=1, ffn_inner=32)
    term = DecoderTerm(decoder, SentenceTokens(work, "train"))
    rows = documents.pad([documents.rows(i) for i in (0, 2, 3)])
    concepts = documents.gather(rows)[0]
    none = diffusion_loss(model, concepts, rows, replace(config, contrastive_timesteps=100), alphas, term)[1]
    assert none["tokens"] == 0 and none["contrastive"] == 0
    all_steps = replace(config, decoder_timesteps=100, contrastive_timesteps=0)
    total, terms = diffusion_loss(model, concepts, rows, all_steps, alphas, term)
    assert terms["tokens"] > 0 and terms["contrastive"] > 0
    assert torch.allclose(total, terms["loss"] + 0.5 * terms["tokens"] + 0.25 * terms["contrastive"])
    plain = diffusion_loss(model, concepts, rows, replace(config, contrastive_weight=0.0), alphas)[1]
    assert plain.keys() == {"loss"}


def test_contextualizer_begins_as_the_first_layers_of_the_base_lcm(work):
    base = BaseLcm(DIM, 16, heads=2, layers=2, ffn_inner=32)
    architecture = {"sonar_dim": DIM, "model_dim": 16, "heads": 2, "layers": 2, "ffn_inner": 32}
    torch.save({"architecture": architecture, "model": base.state_dict(), "step": 1}, work / "base-lcm.pt")
    same, shorter, *others = (
        TwoTower(DIM, dim, 2, layers, 1, inner)
        for dim, layers, inner in ((16, 2, 32), (16, 1, 32), (32, 2, 64), (16, 2, 64))
    )
    before = copy.deepcopy([model.state_dict() for model in others])
    for model in (same, shorter, *others):
        begin_as_base_lcm(model, work)
    concepts = torch.randn(2, 5, DIM)
    assert torch.equal(same.contextualize(concepts), base.lcm(base.frontend(concepts)))
    first = base.lcm.layers[0](base.frontend(concepts))
    assert torch.equal(shorter.contextualize(concepts), base.lcm.layer_norm(first))
    for model, unchanged in zip(others, before, strict=True):
        assert all(torch.equal(value, unchanged[name]) for name, value in model.state_dict().items())


def test_contrastive_loss_does_not_count_equal_sentences_against_each_other():
    truth = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    alone = contrastive_loss(truth, truth, torch.tensor([7, 7, 1]), 8.0)
    against = contrastive_loss(truth, truth, torch.tensor([7, 2, 1]), 8.0)
    assert alone < 1e-6 and torch.allclose(against, torch.tensor(2 / 3 * np.log(2)).float())
    assert contrastive_loss(truth[:0], truth[:0], torch.tensor([]), 8.0) == 0


def test_long_documents_give_several_windows_and_kinds_get_their_share(work):
    config = replace(PROFILES["test"].base_lcm, cropped=0.0, batch_documents=5000, wide=0.4)
    documents = Documents(work, "train")
    drawn = {}
    for batch in islice(document_batches(documents, config, np.random.default_rng(0)), 6):
        for length in (batch >= 0).sum(1).tolist():
            drawn[length] = drawn.get(length, 0) + 1
    assert sorted(drawn) == [2, 3, 5, 6, 32]
    stories, wide = drawn[3] + drawn[5], drawn[2] + drawn[6]
    assert drawn[32] == 2 * drawn[6] and abs(wide / (stories + wide) - 0.4) < 0.02


def test_pairs_are_told_apart_from_earlier_ones_too():
    torch.manual_seed(0)
    x, y, others = torch.nn.functional.normalize(torch.randn(3, 4, DIM), dim=-1)
    alone = pair_loss(x, y, None)
    negatives = Negatives(6, DIM, "cpu")
    assert torch.allclose(pair_loss(x, y, negatives), alone), "there are none yet"
    assert torch.equal(negatives.latest(), torch.stack([x, y]))
    queue = Negatives(6, DIM, "cpu")
    queue.add(torch.stack([others, others]))
    rows = torch.cat([y, others]), torch.cat([x, others])
    expected = [
        torch.nn.functional.cross_entropy(query @ keys.T / 0.05, torch.arange(4))
        for query, keys in zip((x, y), rows, strict=True)
    ]
    assert torch.allclose(pair_loss(x, y, queue), sum(expected) / 2)
    assert queue.latest().shape == (2, 6, DIM), "the oldest give way"
    assert torch.equal(queue.latest()[0].sort(0).values, torch.cat([others[2:], x]).sort(0).values)
