"""Checkpoints of the public code become concept models: nothing is lost, and what is wrong is named."""

import json

import pytest
import torch
from safetensors.torch import load_file
from test_conformance import base_lcm, cases, fill, two_tower

import convert_lcm
from noema_training.concept_checkpoint import CheckpointError, build, infer_architecture, read_checkpoint
from noema_training.convert import add_concept_model
from noema_training.stored_weights import DTYPES, GROUP, expanded, quantized, relative_error, stored

TWO_TOWER = cases("lcm.json", "two_tower_forward")[0]
BASE = cases("lcm.json", "base_lcm_forward")[0]
SCHEDULE = {
    "beta_schedule": "squaredcos_cap_v2",
    "train_steps": 100,
    "prediction_type": "sample",
    "no_zero_snr": False,
}


@pytest.fixture
def folder(tmp_path):
    manifest = {"format": "noema-model", "space": {"dim": 16}, "conceptModels": {}, "files": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def save(model: torch.nn.Module, path, change=lambda state: None, prefix: str = "module."):
    state = {prefix + name: value.clone() for name, value in model.state_dict().items()}
    for i in range(2):  # the public code has projections that attention to one position never needs
        for part in ("q_proj", "k_proj"):
            if hasattr(model, "denoiser"):
                state[f"{prefix}denoiser.layers.{i}.self_attn.{part}.weight"] = torch.ones(32, 32)
                state[f"{prefix}denoiser.layers.{i}.self_attn.{part}.bias"] = torch.ones(32)
    change(state)
    torch.save({"model": state, "step_nr": 3}, path)
    return path


def add(path, folder, dtype="f32", heads=4):
    return add_concept_model(path, folder, "lcm", heads, 64, dtype, False, **SCHEDULE)


@pytest.mark.parametrize(
    "case, make, family", [(TWO_TOWER, two_tower, "two_tower"), (BASE, base_lcm, "base_lcm")]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_converted_checkpoint_is_the_model(case, make, family, dtype, folder):
    model = make(case)
    result = add(save(model, folder / "checkpoint.pt"), folder, dtype)
    entry = json.loads((folder / "manifest.json").read_text())["conceptModels"]["lcm"]
    sizes = {name: size for name, size in case["model"].items() if name not in ("type", "prefix")}
    assert entry["family"] == family
    assert entry["architecture"] == sizes | {"ffn_inner": 256, "max_seq_len": 64}
    kept = load_file(folder / "lcm.safetensors")
    names = [name for name in kept if not name.endswith(".group_scales")]
    converted = build({name: expanded(kept, name) for name in names}, family, entry["architecture"])
    most = {"f32": 0, "f16": 3e-4, "int8": 0.01, "int4": 0.15}[dtype]
    assert result["errors"][dtype]["all"] <= most
    for name, value in model.state_dict().items():
        assert (converted.state_dict()[name] - value).norm() <= most * 2 * value.norm()


def test_errors_grow_as_bytes_shrink():
    tensors = fill(torch.nn.Linear(4 * GROUP, 8), "x.").state_dict()
    errors = [relative_error(tensors, stored(tensors, dtype))["all"] for dtype in DTYPES]
    assert errors == sorted(errors) and errors[0] == 0 < errors[1]


def test_columns_that_no_group_divides_share_one_scale_a_row():
    integers, scales = quantized(torch.tensor([[1.0, -2.0, 0.5], [0, 0, 0]]), 127)
    assert scales.shape == (2, 1) and integers.tolist() == [[64, -127, 32], [0, 0, 0]]


def rename(state, old, new):
    state[new] = state.pop(old)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s.pop("module.denoiser.layer_norm.weight"), "denoiser.layer_norm.weight is missing"),
        (lambda s: s.pop("module.encoder_frontend.pre_linear.weight"), "pre_linear.weight is missing"),
        (
            lambda s: s.update({"module.denoiser.final_proj.fc.bias": torch.ones(7)}),
            r"final_proj.fc.bias has shape \[7\]",
        ),
        (lambda s: s.update({"module.denoiser.extra": torch.ones(7)}), "denoiser.extra is not known"),
        (lambda s: s["module.sonar_normalizer.scale"].fill_(torch.nan), "not finite"),
        (lambda s: [rename(s, n, f"head.{n}") for n in list(s)], "neither a Two-Tower"),
        (lambda s: s.clear(), "no tensors"),
    ],
)
def test_what_is_wrong_is_named(change, message, folder):
    path = save(two_tower(TWO_TOWER), folder / "checkpoint.pt", change)
    with pytest.raises(CheckpointError, match=message):
        add(path, folder)
    assert not (folder / "lcm.safetensors").exists()


def test_files_that_are_no_checkpoint(folder):
    for content in (b"", b"hello", b"PK\x03\x04broken"):
        (folder / "checkpoint.pt").write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_checkpoint(folder / "checkpoint.pt")


def test_heads_and_schedule_are_asked_for(folder, capsys):
    path = save(two_tower(TWO_TOWER), folder / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="--heads"):
        infer_architecture(read_checkpoint(path), None, 64)
    arguments = [str(path), "--folder", str(folder), "--name", "lcm", "--heads"]
    assert convert_lcm.main([*arguments, "4"]) == 1
    assert "--beta-schedule" in capsys.readouterr().err
    assert convert_lcm.main([*arguments, "5", "--beta-schedule", "sigmoid"]) == 1
    assert "5 heads" in capsys.readouterr().err
