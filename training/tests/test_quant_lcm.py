"""The residual quantiser and the Quant-LCMs: fitting, training passes against single steps, losses, sampling, the browser's cases."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from make_quant_lcm_cases import all_cases

from noema_training.profiles import PROFILES
from noema_training.quant_lcm import QUANT_LCMS, QuantLcm, Refinement, choose, generate_quant, uniform_draws
from noema_training.quant_lcm_training import quant_loss, trainer_of
from noema_training.quantizer import ResidualQuantizer, first_centroids, k_means_step, nearest
from noema_training.quantizer_fitting import Clock, fit_quantizer
from noema_training.trainer import Run

CASES = Path(__file__).parents[2] / "src" / "engine" / "quant-lcm-cases.json"
KINDS = list(QUANT_LCMS)


def make_model(kind: str, layers: int = 3) -> QuantLcm:
    torch.manual_seed(0)
    sizes = dict(sonar_dim=10, model_dim=24, heads=2, layers=layers, codebook_embed_dim=6, ffn_inner=32)
    model = QUANT_LCMS[kind](**sizes, n_codebooks=4, n_units_per_codebook=9, max_seq_len=12)
    for index, codebook in enumerate(model.quantizer.codebooks):
        codebook.weight.mul_(0.5**index)
    return model.eval().requires_grad_(False)


@pytest.fixture
def work(tmp_path) -> Path:
    """Sentences in three tight bunches, as `encode` and `normalizer` leave them."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 400), ("valid", 100)):
        centers = np.array([[4.0, 0, 0, 1], [0, 4, 0, -1], [-3, 0, 4, 0]])
        vectors = centers[np.arange(count) % 3] + 0.3 * draw.normal(size=(count, 4))
        np.savez(
            tmp_path / f"concepts.{split}.npz",
            vectors=vectors.astype(np.float16),
            order=np.arange(count, dtype=np.int32),
            offsets=np.array([0, count]),
            kinds=np.zeros(1, np.uint8),
        )
    torch.save({"center": torch.zeros(4), "scale": torch.full((4,), 2.0)}, tmp_path / "normalizer.pt")
    return tmp_path


def test_every_codebook_leaves_less_and_the_report_says_how_much(work):
    report = fit_quantizer(work, PROFILES["test"], Run())
    assert report == json.loads((work / "quantizer.json").read_text())
    assert report["finished"] and report["sentences"] == 400 and len(report["left"]) == 4
    assert (report["codebooks"], report["units"], report["dim"]) == (4, 16, 4)
    for split in ("fitted", "held_out"):
        left = [score[split] for score in report["left"]]
        assert left == sorted(left, reverse=True) and left[0] < 0.05 and left[-1] < 0.005
    assert all(score["units"] == 16 for score in report["left"])

    quantizer = ResidualQuantizer.load(work)
    assert all(torch.equal(book.weight, book.weight.half().float()) for book in quantizer.codebooks)
    vectors = torch.from_numpy(np.load(work / "concepts.valid.npz")["vectors"]).float() / 2
    units = quantizer.encode(vectors, batch_rows=17)
    sums = quantizer.partial_sums(units, torch.full((100,), 4))
    left = (vectors - sums).square().mean() / vectors.square().mean()
    assert left.item() == pytest.approx(report["left"][-1]["held_out"], abs=1e-5)


def test_a_paused_fit_goes_on_to_the_same_codebooks(work, monkeypatch):
    whole = fit_quantizer(work, PROFILES["test"], Run())
    codebooks = torch.load(work / "quantizer.pt")["codebooks"]
    (work / "quantizer.pt").unlink()
    with pytest.raises(FileNotFoundError, match="run the step `quantizer` first"):
        ResidualQuantizer.load(work)
    asked, calls = itertools.count(), 0
    monkeypatch.setattr(Clock, "pausing", lambda clock: next(asked) % 3 == 2)
    while not (report := fit_quantizer(work, PROFILES["test"], Run()))["finished"]:
        calls += 1
        with pytest.raises(FileNotFoundError, match="not finished"):
            ResidualQuantizer.load(work)
    assert calls > 3
    monkeypatch.undo()
    assert fit_quantizer(work, PROFILES["test"], Run(pause_at=0.0))["finished"]
    assert report["left"] == whole["left"]
    assert all(
        torch.equal(*pair)
        for pair in zip(torch.load(work / "quantizer.pt")["codebooks"], codebooks, strict=True)
    )
    again = fit_quantizer(work, PROFILES["test"], Run())
    assert again["left"] == whole["left"]
    with pytest.raises(ValueError, match="remove it to start anew"):
        larger = replace(PROFILES["test"].quantizer, units=17)
        fit_quantizer(work, replace(PROFILES["test"], quantizer=larger), Run())


def test_a_fit_without_time_gives_each_codebook_an_iteration(work):
    report = fit_quantizer(work, PROFILES["test"], Run(minutes=0.0))
    assert report["finished"] and report["left"][-1]["fitted"] < report["left"][0]["fitted"] < 0.2
    limited = fit_quantizer(work, PROFILES["test"], Run(max_steps=1))
    assert limited["left"] == report["left"], "what is finished stays"


def test_k_means_moves_to_the_means_and_revives_the_dead():
    rows = torch.tensor([[0.0, 0], [2, 0], [10, 0], [10, 2]])
    centroids = torch.tensor([[1.0, 1], [9, 1], [500, 500]])
    draw = torch.Generator().manual_seed(0)
    moved, distance = k_means_step(rows, centroids, draw, 3)
    assert moved[:2].tolist() == [[1, 0], [10, 1]] and distance == 2.0
    assert moved[2].tolist() in rows.tolist()
    again, _ = k_means_step(rows, moved, draw, 3)
    assert k_means_step(rows, again, draw, 3)[1] < distance
    same = torch.ones(5, 2)
    settled, distance = k_means_step(same, first_centroids(same, 8, draw), draw, 2)
    assert torch.equal(settled, torch.ones(8, 2)) and distance == 0


def test_the_first_of_equals_is_nearest():
    centroids = torch.tensor([[5.0, 5], [1, 0], [-1, 0], [1, 0]])
    chosen, distances = nearest(torch.tensor([[1.0, 0], [0, 0], [-3, 0]]), centroids)
    assert chosen.tolist() == [1, 1, 2] and distances.tolist() == [0, 1, 4]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("length", [1, 6])
def test_an_interleaved_pass_is_what_is_predicted_from_cached_clean_concepts(kind, layers, length):
    model = make_model(kind, layers)
    clean = torch.randn(1, length + 1, 10)
    used = torch.randint(4, (1, length + 1))
    sums = model.quantizer.partial_sums(model.quantizer.encode(clean[0])[None], used)
    whole = model(clean, sums, used)
    apart = model(clean, sums, used, torch.ones(1, length + 1, dtype=torch.bool))
    for position in range(1, length + 1):
        cache = model.read(clean[:, :position])
        for conditional, expected in ((True, whole), (False, apart)):
            x, step = sums[:, position : position + 1], int(used[0, position])
            got = model.predict(x, step, cache, conditional)
            assert torch.allclose(got[0, 0], expected[0, position], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_generation_goes_on_from_what_it_wrote_in_sums_of_centroids(kind):
    model, prompt = make_model(kind), torch.randn(2, 1, 10)
    noise = torch.randn(4, 2, 8)
    refinement = Refinement(guidance_scale=1.5, temperature=0.5, top_k=4)
    whole = generate_quant(model, prompt, 4, refinement, lambda i: noise[i])
    longer = torch.cat([prompt, whole[:, :2]], dim=1)
    rest = generate_quant(model, longer, 2, refinement, lambda i: noise[2 + i])
    assert torch.allclose(rest, whole[:, 2:], atol=1e-6)
    other = generate_quant(model, prompt, 4, replace(refinement, guidance_scale=4.0), lambda i: noise[i])
    assert not torch.allclose(other, whole)
    greedy = [
        generate_quant(model, prompt, 2, Refinement(**kept), lambda i: noise[i])
        for kept in ({"top_k": 1}, {"temperature": 0.0, "top_k": 9})
    ]
    assert torch.equal(*greedy)
    grid = [book.weight for book in model.quantizer.codebooks]
    sums = (grid[0][:, None, None, None] + grid[1][:, None, None] + grid[2][:, None] + grid[3]).flatten(0, 3)
    concepts = model.sonar_normalizer.normalize(whole).flatten(0, 1)
    assert torch.cdist(concepts.double(), sums.double()).amin(1).max() < 1e-5


def test_quant_c_regressing_a_concept_refines_to_its_quantisation():
    model = make_model("quant-lcm-c")
    target = torch.randn(10)
    model.postnet.fc.weight.zero_()
    model.postnet.fc.bias.copy_(target)
    units = model.quantizer.encode(target[None])
    quantised = model.quantizer.partial_sums(units, torch.tensor([4]))
    generated = generate_quant(
        model, torch.randn(1, 3, 10), 1, Refinement(top_k=1), lambda i: torch.zeros(1, 8)
    )
    assert torch.allclose(model.sonar_normalizer.normalize(generated[0]), quantised, atol=1e-6)


def test_units_are_drawn_by_their_shares_among_the_best():
    scores = torch.tensor([1.0, 3.0, 2.0, 3.0, -1.0]).repeat(20_000, 1)
    draws = uniform_draws(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)))[:, 0]
    assert draws.min() > 0 and draws.max() < 1 and draws.mean().item() == pytest.approx(0.5, abs=0.01)
    counts = torch.bincount(choose(scores, Refinement(temperature=2.0, top_k=3), draws), minlength=5) / 20_000
    weights = torch.tensor([0, 1, math.exp(-0.5), 1, 0])
    assert torch.allclose(counts, weights / weights.sum(), atol=0.015)
    two = choose(scores, Refinement(top_k=2), draws)
    assert set(two.tolist()) == {1, 3}
    assert choose(scores, Refinement(top_k=1), draws).unique().tolist() == [1]
    assert choose(torch.zeros(100, 5), Refinement(top_k=2), draws[:100]).unique().tolist() == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_with_the_quantiser_it_began_with(kind, work):
    def step(count: int) -> dict:
        return trainer_of(kind)(work, PROFILES["test"], Run(max_steps=count, threads=1))

    with pytest.raises(FileNotFoundError, match="quantizer"):
        step(1)
    fit_quantizer(work, PROFILES["test"], Run(max_steps=1))
    step(1)
    assert step(2)["step"] == 2
    saved = torch.load(work / f"{kind}.pt")
    assert torch.equal(
        saved["average"]["quantizer.codebooks.2.weight"], torch.load(work / "quantizer.pt")["codebooks"][2]
    )
    (work / "quantizer.pt").unlink()
    fit_quantizer(work, PROFILES["test"], Run(max_steps=1, seed=1))
    with pytest.raises(ValueError, match="another quantiser"):
        step(3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_counts_kept_positions_only_and_falls(kind):
    config = replace(PROFILES["test"].quant_lcm, context_noise=0.0)
    model = make_model(kind).requires_grad_(True)
    model.quantizer.requires_grad_(False)
    concepts = torch.randn(1, 5, 10).repeat(3, 1, 1)
    kept = torch.arange(5)[None] < torch.tensor([5, 3, 4])[:, None]

    def loss(values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        units = model.quantizer.encode(values.flatten(0, 1)).unflatten(0, values.shape[:2])
        return quant_loss(model, values, units, kept, config)[0]

    changed = torch.where(kept[..., None], concepts, torch.tensor(50.0))
    assert torch.allclose(loss(changed), loss(concepts))
    first = loss(concepts).item()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3)
    units = model.quantizer.encode(concepts[0])[None].repeat(3, 1, 1)
    for _ in range(60):
        optimizer.zero_grad()
        quant_loss(model, concepts, units, kept, config)[0].backward()
        optimizer.step()
    assert all(parameter.grad is not None for parameter in parameters)
    assert loss(concepts).item() < 0.6 * first


def test_the_cases_of_the_browser_are_what_these_models_compute():
    for stored, case in zip(json.loads(CASES.read_text())["cases"], all_cases(), strict=True):
        expected, now = stored.pop("expected"), case.pop("expected")
        assert stored == case
        for key, values in expected.items():
            assert torch.allclose(torch.tensor(values), torch.tensor(now[key]), atol=1e-5), key
