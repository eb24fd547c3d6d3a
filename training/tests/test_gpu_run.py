"""The one-shot driver at test size: packed data, calls that are cut short, weights that come back in parts."""

import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from small_work import write_data

from noema_training import base_training, driver, parts, trainer
from noema_training.__main__ import main
from noema_training.base_lcm import BaseLcm
from noema_training.base_training import train_base_lcm
from noema_training.decoder_training import Tuned
from noema_training.export import SIZE_LIMIT, round_weights
from noema_training.graphs import as_int8
from noema_training.pack import from_small, to_small
from noema_training.profiles import PROFILES
from noema_training.space import Space, train_space
from noema_training.token_lm import count_parameters, train_token_lm
from noema_training.trainer import Run, trained_weights
from noema_training.two_tower import TwoTower
from noema_training.two_tower_training import train_two_tower


def run(work: Path, step: str, *arguments) -> dict:
    common = ["--work", str(work), "--profile", "test", "--threads", "1"]
    return main([step, *common, *map(str, arguments)])


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Path:
    """A work directory with text and tokens, and data.zip beside it."""
    work = tmp_path_factory.mktemp("packed") / "work"
    work.mkdir()
    write_data(work / "data")
    run(work, "prepare", "--data", work / "data", "--limit", "20")
    run(work, "tokenizer")
    sizes = run(work, "pack", "--out", work.parent / "data.zip")
    assert sizes["total"] < 200_000
    return work


def test_small_arrays_are_restored():
    rng = np.random.default_rng(0)
    order = rng.integers(0, 50, 500)
    order = np.unique(order, return_inverse=True)[1]
    first = {}
    order = np.array([first.setdefault(int(i), len(first)) for i in order], np.int32)
    for name, array in (
        ("order", order),
        ("offsets0", np.cumsum([0, *rng.integers(0, 300, 20)])),
        ("ids0", rng.integers(0, 16000, 99).astype(np.uint16)),
    ):
        how, small = to_small(name, array)
        assert np.array_equal(from_small(how, small), array)


class Clock:
    """In the place of the module `time`: a twentieth of a second later each time it is asked, however busy the machine is."""

    def __init__(self):
        self.now = 1_000_000.0

    def time(self) -> float:
        self.now += 0.05
        return self.now


def test_all_in_two_calls_comes_back_and_exports(packed, tmp_path, monkeypatch):
    clock = Clock()
    for module in (driver, trainer):
        monkeypatch.setattr(module, "time", clock)
    remote, out = tmp_path / "remote", tmp_path / "out"
    calls = ["--data", packed.parent / "data.zip", "--out", out, "--minutes", "0.7"]
    first = run(remote, "all", *calls, "--call-minutes", 0.4)  # 4 seconds and the reserve for writing
    assert first["again"] and "space" not in first["done"]
    assert json.loads((out / parts.INDEX).read_text())["models"].keys() == {"space"}
    assert run(packed, "unpack", "--data", out)["space"] > 0

    second = run(remote, "all", *calls)
    assert second["finished"] and not second["again"]
    assert second["results"]["space"]["step"] > first["results"]["space"]["step"]
    assert second["spent"] < 60
    written = json.loads((out / parts.INDEX).read_text())["models"]
    assert set(written) == set(parts.MODELS), "everything has gone on since the first call"
    steps = run(packed, "unpack", "--data", out)
    assert set(steps) == set(parts.MODELS)
    assert steps["space"] == second["results"]["space"]["step"]
    there = trained_weights(torch.load(remote / "base-lcm.pt"))
    here = torch.load(packed / "base-lcm.pt")["average"]
    assert all(torch.allclose(here[key], there[key], atol=1e-3, rtol=1e-3) for key in there)
    assert run(packed, "export", "--out", packed / "model")["base-lcm.safetensors"] > 0

    # Training goes on from what came back, without the optimizer's state.
    run(packed, "encode")
    more = run(packed, "base-lcm", "--limit", steps["base-lcm"] + 2, "--minutes", 5)
    assert more["step"] == steps["base-lcm"] + 2


@pytest.mark.parametrize("untied", [False, True])
def test_parts_are_small_checked_and_keep_what_is_further_on(tmp_path, monkeypatch, untied):
    monkeypatch.setattr(parts, "PART", 4096)
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    space = Space(60, 16, 1, 2, 32, untied=untied)
    state = {"model": space.state_dict(), "sizes": space.sizes, "step": 7, "elapsed": 1.5}
    torch.save(state, work / "space.pt")
    parts.collect(work, out)
    assert len(list(out.glob(f"{parts.STEM}*"))) > 2
    assert max(path.stat().st_size for path in out.glob(f"{parts.STEM}*")) <= 4096
    back = tmp_path / "back"
    assert parts.unpack(out, back) == {"space": 7}
    loaded = torch.load(back / "space.pt")
    again = Space(**loaded["sizes"])
    again.load_state_dict(loaded["model"])
    for name, tensor in space.state_dict().items():
        assert torch.allclose(again.state_dict()[name], tensor, atol=1e-3), name
    torch.save({**loaded, "step": 9}, back / "space.pt")
    assert parts.unpack(out, back) == {"space": 9}
    (out / f"{parts.STEM}1").write_bytes(b"damaged")
    with pytest.raises(parts.PartsDamaged):
        parts.unpack(out, tmp_path / "other")


def test_only_what_fits_is_collected(tmp_path):
    for name in ("space", "base-lcm"):
        torch.save({"model": {"w": torch.zeros(1000)}, "step": 1, "elapsed": 1.0}, tmp_path / f"{name}.pt")
    assert parts.collect(tmp_path, tmp_path / "out", ("base-lcm", "space"), limit=3000) == {
        "models": {"base-lcm": {"bytes": 2000, "step": 1}},
        "left_out": {"space": 2000},
        "too_large": {},
    }
    alone = parts.collect(tmp_path, tmp_path / "out", ("space",), limit=1999)
    assert alone["models"] == alone["left_out"] == {} and "more than the 1999" in alone["too_large"]["space"]


def test_what_an_earlier_call_sent_is_not_collected_again(tmp_path):
    for name, step in (("space", 5), ("base-lcm", 2)):
        torch.save({"model": {"w": torch.zeros(9)}, "step": step, "elapsed": 1.0}, tmp_path / f"{name}.pt")
    sent = parts.collect(tmp_path, tmp_path / "out", known={"space": 5, "base-lcm": 1})
    assert sent["models"] == {"base-lcm": {"bytes": 18, "step": 2}} and not sent["left_out"]


def test_calls_go_on_until_every_model_is_sent(tmp_path, monkeypatch):
    """All time is spent in the first call; the last model is too large for any."""
    values = {"space": 500, "base-lcm": 500, "decoder": 900, "two-tower": 1100}
    profile = replace(PROFILES["test"], shares=dict.fromkeys(values, 0.25))
    monkeypatch.setattr(driver, "collect", partial(parts.collect, limit=2000))
    monkeypatch.setattr(driver, "_vectors", lambda *_: None)

    def trainer_of(name: str):
        def train(work: Path, *_) -> dict:
            state = {"model": {"w": torch.zeros(values[name])}, "step": 1, "elapsed": 1.0}
            torch.save(state, work / f"{name}.pt")
            return {"finished": True}

        return train

    def call() -> dict:
        return driver.run_all(tmp_path, tmp_path / "out", profile, Run(minutes=1.0), trainer_of)

    first, second = call(), call()
    assert first["finished"] and first["again"] and first["written"].keys() == {"space", "base-lcm"}
    assert first["left_out"] == {"decoder": 1800}
    assert second["finished"] and not second["again"] and second["written"].keys() == {"decoder"}
    assert second["too_large"].keys() == {"two-tower"}


@pytest.mark.parametrize("untied", [False, True])
def test_matrices_of_the_space_come_back_as_export_rounds_them(tmp_path, untied):
    space, base = Space(60, 48, 1, 2, 96, untied=untied), BaseLcm(48, 16, 2, 1, 32)
    torch.save(
        {"model": space.state_dict(), "sizes": space.sizes, "step": 1, "elapsed": 1.0}, tmp_path / "space.pt"
    )
    tuned = Tuned(space.encoder, space.decoder, base)
    torch.save({"model": tuned.state_dict(), "step": 1, "elapsed": 1.0}, tmp_path / "decoder.pt")
    sizes = [parts.collect(tmp_path, tmp_path / "out", int8=int8)["models"] for int8 in (False, True)]
    assert all(sizes[1][name]["bytes"] < 0.75 * sizes[0][name]["bytes"] for name in ("space", "decoder"))
    parts.unpack(tmp_path / "out", tmp_path / "back")
    again = Space(**space.sizes).requires_grad_(False)
    again.load_state_dict(torch.load(tmp_path / "back" / "space.pt")["model"])
    rounded = round_weights(copy.deepcopy(space).requires_grad_(False), int8=True).state_dict()
    came = {name: value.clone() for name, value in again.state_dict().items()}
    assert all(torch.equal(came[name], value) for name, value in rounded.items())
    assert all(torch.equal(came[name], v) for name, v in round_weights(again, int8=True).state_dict().items())
    model = torch.load(tmp_path / "back" / "decoder.pt")["model"]
    assert all(torch.equal(model[name], rounded[name]) for name in rounded if not name.startswith("bag."))
    for name, value in base.state_dict().items():
        assert torch.equal(model[f"concept_model.{name}"], value.half().float()), "concept models stay f16"


def test_each_phase_of_the_gpu_run_fits_one_call():
    profile = PROFILES["gpu"]
    names = ("vocabulary", "dim", "layers", "heads", "ffn")
    with torch.device("meta"):
        space = Space(*(getattr(profile.space, name) for name in names), untied=True)
        sizes = {name: getattr(profile.base_lcm, name) for name in base_training.SIZES}
        base = BaseLcm(sonar_dim=profile.space.dim, **sizes)
        tuned = Tuned(space.encoder, space.decoder, base).state_dict()
        sent = {}
        for name, value in tuned.items():
            sent |= parts.as_stored(f"decoder/{name}", value, profile.int8)
    assert 2 * sum(value.numel() for value in tuned.values()) > parts.LIMIT, "as f16 it would not"
    assert sum(value.nbytes for value in sent.values()) < parts.LIMIT


def test_everything_needs_its_minutes(tmp_path):
    with pytest.raises(ValueError, match="all needs --minutes"):
        run(tmp_path, "all", "--out", tmp_path / "out")


def test_rows_of_255_levels_are_stored_as_int8_exactly():
    space = round_weights(Space(60, 16, 1, 2, 32).requires_grad_(False), int8=True)
    for parameter in space.parameters():
        if parameter.ndim == 2:
            values, scale = as_int8(parameter.numpy())
            assert np.array_equal(values * scale, parameter.numpy())
            assert as_int8(parameter.T.numpy())[1].shape[0] == 1
    assert as_int8(np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)) is None


def test_gpu_models_fit_the_size_limit():
    profile = PROFILES["gpu"]
    config, sizes = profile.space, {"sonar_dim": profile.space.dim}
    space = dict(
        vocabulary=config.vocabulary, dim=config.dim, layers=config.layers, heads=config.heads, ffn=config.ffn
    )
    total = (
        count_parameters(Space, space) + config.vocabulary * config.dim + 2_000_000
    )  # int8; embedding in both graphs
    for kind, part in ((BaseLcm, profile.base_lcm), (TwoTower, profile.two_tower)):
        names = ("model_dim", "heads", "layers", "context_layers", "denoiser_layers", "ffn_inner")
        total += 2 * count_parameters(kind, sizes | {n: getattr(part, n) for n in names if hasattr(part, n)})
    assert total < SIZE_LIMIT


def test_loader_processes_and_mixed_precision_train(packed, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(packed, work, ignore=shutil.ignore_patterns("*.pt", "model", "data"))
    common = dict(threads=1, bf16=True, loader_processes=2)
    assert train_space(work, PROFILES["test"], Run(max_steps=3, **common))["step"] == 3
    run(work, "encode")
    run(work, "normalizer")
    profile = replace(PROFILES["test"], two_tower=replace(PROFILES["test"].two_tower, decoder_weight=0.1))
    for train in (train_base_lcm, train_two_tower, train_token_lm):
        result = train(work, profile, Run(max_steps=3, **common))
        assert result["step"] == 3 and np.isfinite(result["tokens"])


def test_two_processes_train_one_model(packed, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(packed, work, ignore=shutil.ignore_patterns("*.pt", "model", "data"))
    for step in ("space", "base-lcm"):
        if step == "base-lcm":
            run(work, "encode")
            run(work, "normalizer")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        command += ["-m", "noema_training", step, "--work", str(work), "--profile", "test", "--threads", "1"]
        done = subprocess.run(
            [*command, "--limit", "4"],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert torch.load(work / f"{step}.pt")["step"] == 4
        assert done.stdout.count('"step"') == 1
    # The driver goes on from there in both processes.
    command[command.index("base-lcm")] = "all"
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out"), "--minutes", "30", "--limit", "6"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["done"] == ["space", "vectors", *list(PROFILES["test"].shares)[1:]]
