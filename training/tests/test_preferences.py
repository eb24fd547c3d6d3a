"""Marked drafts: how they are read, what their loss teaches, and the anchor of the encoder."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from noema_training.base_lcm import BaseLcm
from noema_training.batches import Batch, pad
from noema_training.config import EOS, PAD
from noema_training.marked_drafts import MarkedDrafts, read_marked_drafts
from noema_training.preferences import Preferences, commonness, judge, judged_of
from noema_training.profiles import PROFILES
from noema_training.space import Anchor, Space

WORDS = ["a", "fox", "saw", "the", "moon", "and", "slept", "on", "old", "wet", "hill"]
DIM = 16
SMALL = dict(vocabulary=40, dim=DIM, layers=1, heads=2, ffn=32)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    special = ["<pad>", "<unk>", "<s>", "</s>", "__eng_Latn__"]
    vocabulary = {piece: number for number, piece in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken("__eng_Latn__", special=True)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.fixture
def space() -> Space:
    torch.manual_seed(0)
    return Space(**SMALL).eval()


@pytest.fixture
def model() -> BaseLcm:
    torch.manual_seed(1)
    made = BaseLcm(DIM, 16, heads=2, layers=1, ffn_inner=32)
    made.sonar_normalizer.load_state_dict({"center": torch.zeros(DIM), "scale": torch.ones(DIM)})
    return made


MARKED = [
    MarkedDrafts(("a fox slept",), ("the moon saw the fox", "wet wet hill"), (2, 0)),
    MarkedDrafts(
        ("the fox saw", "the moon slept"), ("a hill", "old moon", "a fox slept on the hill"), (1, 0, 3)
    ),
    MarkedDrafts(("on the hill",), ("a fox", "the moon"), (1, 1)),
]


def test_a_score_is_the_log_probability_of_pieces_and_end_over_the_root_of_their_number(work, space, model):
    preferences = Preferences(MARKED, space, work)
    owners, drafts, scores = preferences.score(model, space.decoder, np.array([1, 0]))
    assert owners.tolist() == [0, 0, 0, 1, 1] and drafts.tolist() == [2, 3, 4, 0, 1]
    assert preferences.marks[drafts].tolist() == [1, 0, 3, 2, 0]
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))

    def encode(sentence: str) -> torch.Tensor:
        ids = torch.tensor([[4, *tokenizer.encode(sentence).ids, EOS]])
        return space.encoder(ids, torch.ones_like(ids))

    context = torch.stack([encode(s) for s in MARKED[1].text], dim=1)
    predicted = model.predict(context)[:, -1]
    for row, draft in enumerate(MARKED[1].drafts):
        pieces = tokenizer.encode(draft).ids
        logits = space.decoder(torch.tensor([[EOS, 4, *pieces]]), predicted)[0, 1:].log_softmax(-1)
        wanted = logits.gather(1, torch.tensor([[*pieces, EOS]]).T).sum() / (len(pieces) + 1) ** 0.5
        assert scores[row].item() == pytest.approx(wanted.item(), abs=1e-5)


def test_training_makes_the_better_draft_likelier(work, space, model):
    preferences, config = Preferences(MARKED, space, work), PROFILES["test"].decoder
    parts = torch.nn.ModuleList([model, space.decoder])
    optimizer = torch.optim.AdamW(parts.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = preferences.loss(model, space.decoder, np.array([0, 1, 2]), config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    untouched = [name for name, value in parts.named_parameters() if value.grad is None]
    assert not untouched
    best = np.mean([max(entry.marks) for entry in MARKED])
    assert preferences.validated(model, space.decoder) == {"valid_mark": pytest.approx(best, abs=1e-4)}


def test_drafts_with_equal_marks_teach_nothing(work, space, model):
    preferences = Preferences(MARKED, space, work)
    assert preferences.loss(model, space.decoder, np.array([2]), PROFILES["test"].decoder).item() == 0


def test_a_written_sentence_is_learned_by_cross_entropy_and_is_in_no_pair(work, space, model):
    config = replace(PROFILES["test"].decoder, marks_noise=0.0)
    written = [
        MarkedDrafts(("a fox slept",), written="the moon saw the fox"),
        replace(MARKED[1], written="a fox"),
    ]
    preferences = Preferences(written, space, work)

    def loss(number: int) -> float:
        return preferences.loss(model, space.decoder, np.array([number]), config).item()

    score = preferences.score(model, space.decoder, np.array([0]))[2].item()
    assert loss(0) == pytest.approx(-config.written_weight * score * 6**0.5 / 6, abs=1e-5)
    pairs = Preferences(MARKED, space, work).loss(model, space.decoder, np.array([1]), config).item()
    score = preferences.score(model, space.decoder, np.array([1]))[2][-1].item()
    assert loss(1) == pytest.approx(pairs - config.written_weight * score * 3**0.5 / 3, abs=1e-5)


def test_held_out_marks_are_judged_without_written_sentences():
    held = next(
        entry
        for entry in (replace(MARKED[0], text=(f"a fox {n}",), written="a hill") for n in range(99))
        if entry.is_held_out
    )
    unmarked = MarkedDrafts(held.text, written="a hill")
    assert judged_of([held, unmarked]) == [replace(held, written=None)]


def test_what_is_said_everywhere_is_worth_less(work, space, model):
    texts = [(f"the {word}",) for word in ("fox", "moon", "hill")]
    drafts = [
        ("a fox saw the moon", "old moon"),
        ("the fox saw the moon", "the hill"),
        ("wet fox saw the moon", "a hill"),
    ]
    marked = [MarkedDrafts(text, two, (2, 2)) for text, two in zip(texts, drafts, strict=True)]
    assert commonness(drafts) == [pytest.approx(x) for x in (math.log(3), 0, math.log(3), 0, math.log(3), 0)]
    assert commonness([("...", "a hill")]) == [0, 0], "one without words"
    preferences, config = Preferences(marked, space, work), PROFILES["test"].decoder
    scores = preferences.score(model, space.decoder, np.array([0]))[2].tolist()
    ahead = config.marks_commonness * math.log(3)
    wanted = math.log1p(
        math.exp(config.marks_margin * ahead - config.marks_sharpness * (scores[1] - scores[0]))
    )
    loss = preferences.loss(model, space.decoder, np.array([0]), replace(config, marks_noise=0.0))
    assert loss.item() == pytest.approx(wanted, abs=1e-5)
    assert (
        preferences.loss(model, space.decoder, np.array([0]), replace(config, marks_commonness=0.0)).item()
        == 0
    )


def test_without_marked_drafts_there_is_nothing_to_validate(work, space, model):
    assert Preferences([], space, work).validated(model, space.decoder) == {}
    assert judge(work, work) == {}


def test_the_shipped_marks_are_read_and_a_tenth_is_held_out():
    marked = read_marked_drafts()
    held_out = sum(entry.is_held_out for entry in marked)
    assert 0.05 < held_out / len(marked) < 0.15
    assert len(read_marked_drafts(limit=2)) < len(marked)


def test_drafts_or_the_written_sentence_may_be_absent(tmp_path):
    lines = [
        {"text": ["A.", "B."], "written": "C."},
        {"text": ["A."], "drafts": ["B.", "C."], "marks": [0, 3], "written": "D."},
    ]
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    alone, both = read_marked_drafts(tmp_path)
    assert alone == MarkedDrafts(("A.", "B."), written="C.")
    assert both == MarkedDrafts(("A.",), ("B.", "C."), (0, 3), "D.")


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        json.dumps({"text": ["A."], "drafts": ["B."], "marks": [1]}),
        json.dumps({"text": [], "drafts": ["B.", "C."], "marks": [1, 2]}),
        json.dumps({"text": ["A."], "drafts": ["B.", "C."], "marks": [1]}),
        json.dumps({"text": ["A."], "drafts": ["B.", "C."], "marks": [1, 4]}),
        json.dumps({"text": ["A."], "drafts": ["B.", "C."]}),
        json.dumps({"text": ["A."], "drafts": ["B.", "C."], "written": "D."}),
        json.dumps({"text": ["A."]}),
        json.dumps({"text": [], "written": "B."}),
    ],
)
def test_a_line_without_marked_drafts_is_named(tmp_path, line):
    good = json.dumps({"text": ["A."], "drafts": ["B.", "C."], "marks": [1, 3]})
    (tmp_path / "one.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(ValueError, match=r"one\.jsonl, line 2: no marked drafts"):
        read_marked_drafts(tmp_path)


def test_the_anchor_holds_one_language_only(space):
    anchor = Anchor(copy.deepcopy(space.encoder), language=4)
    source = pad([np.array([4, 6, 7, EOS]), np.array([5, 8, EOS])])
    batch = Batch(source, source != PAD, source, source, torch.arange(2), 0)
    assert space.losses(batch, noise=0.0, anchor=anchor)["drift"].item() == 0
    vectors = space.encoder(source, batch.source_mask)
    moved = vectors + torch.tensor([[0.0], [1.0]])
    assert anchor.drift(moved, batch).item() == pytest.approx(0, abs=1e-10), "the other language is free"
    assert anchor.drift(2 * vectors, batch).item() == pytest.approx(1, abs=1e-5)
    assert Anchor(anchor.encoder, language=9).drift(vectors, batch).item() == 0
