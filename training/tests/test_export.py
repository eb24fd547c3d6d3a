"""Exported folders: manifest, scores, card, stored weights, and the check of what was written."""

import json
import shutil
from fnmatch import fnmatch

import numpy as np
import onnx
import pytest
import torch
from small_work import run

from noema_training.config import SUMMARY
from noema_training.export import BETTER_MODEL, default_concept_model, round_weights
from noema_training.graphs import export_graphs
from noema_training.runtime import ExportedSpace, load_base, load_one_tower, load_quant, load_two_tower
from noema_training.space import load_space
from noema_training.verify import ExportMismatch, verify_folder
from noema_training.warm_start import graph_weights


def test_tuned_settings_reach_the_manifest_and_scores_the_card(trained):
    folder = trained / "model"
    best = run(trained, "tune", "--out", str(folder), "--limit", "2")
    run(trained, "export", "--out", str(folder))
    speed = {"backend": {"backend": "webgpu", "description": "an adapter", "software": True}, "visits": 6}
    speed |= {
        "load": {"first": 2500, "again": 900},
        "encode": 9,
        "predict": {"base-lcm": 300},
        "decode": {"base-lcm": 40},
    }
    (trained / "speed.json").write_text(json.dumps(speed))
    scores = run(trained, "evaluate", "--out", str(folder), "--limit", "2")
    manifest = json.loads((folder / "manifest.json").read_text())
    decoding = manifest["conceptModels"]["two-tower"]["decoding"]
    assert (decoding["steps"], decoding["guidanceScale"]) == (best["steps"], best["guidance_scale"])
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert len(scores["continuations"]) == 2
    models = scores["comparison"]["teacher_forced"]["stories"]["models"]
    assert {"l2", "l2_r", "ca", "par", "mi", "rouge_l"} <= set(models["base-lcm"]) & set(models["two-tower"])
    drawn = {"l2_r", "ca_r", "mi", "rouge_l"}
    assert drawn == set(models["base-lcm, drafts"])
    marks = scores["marks"]
    assert 0 < marks["all"] < marks["best"] and 0 < marks["kept"] < marks["best"] and marks["texts"] > 500
    assert set(scores["comparison"]["free"]) == {"two-tower", "base-lcm", "token-lm"}
    summaries = scores["summaries"]["short"]
    assert summaries["models"].keys() == {"first sentences", "two-tower", "base-lcm"}
    assert summaries["models"]["first sentences"]["rouge1"] > 0 and summaries["samples"]
    entry = manifest["conceptModels"]["base-lcm"]
    assert entry["family"] == "base_lcm" and entry["architecture"]["layers"] == 2
    assert entry["architecture"].keys() == {
        *("sonar_dim", "model_dim", "heads", "layers", "ffn_inner", "max_seq_len")
    }
    assert entry["decoding"]["sample"] is True and 0 < entry["decoding"]["temperature"] < 1
    one_tower = manifest["conceptModels"]["one-tower"]
    assert one_tower["family"] == "one_tower" and one_tower["file"] == "one-tower.safetensors"
    assert one_tower["architecture"].keys() == {
        *("sonar_dim", "model_dim", "heads", "layers", "timestep_embed_dim", "ffn_inner", "max_seq_len")
    }
    assert one_tower["scheduler"] == manifest["conceptModels"]["two-tower"]["scheduler"]
    sizes = ("layers", "codebook_embed_dim", "n_codebooks", "n_units_per_codebook")
    for name, defaults in (("quant-lcm-c", (1.5, 0.14, 5)), ("quant-lcm-d", (1.0, 1.0, 3))):
        entry = manifest["conceptModels"][name]
        assert (entry["family"], entry["file"]) == (name.replace("-", "_"), f"{name}.safetensors")
        assert entry["architecture"].keys() == one_tower["architecture"].keys() - {"timestep_embed_dim"} | {
            *sizes
        }
        assert tuple(entry["decoding"][key] for key in ("guidanceScale", "temperature", "topK")) == defaults
    assert _summary_prompts(manifest) == {"two-tower": SUMMARY, "base-lcm": SUMMARY}
    card = (folder / "MODEL_CARD.md").read_text()
    assert "Round trip" in card and "### Summaries" in card and "million multiply-adds" in card
    assert f"| mark from 0 to 3 of the draft that base-lcm keeps | {marks['kept']:.2f} |" in card
    assert f"{marks['texts']:,} held-out beginnings" in card
    assert "300 ms by base-lcm" in card and "loaded in 2.5 s" in card


def test_large_weights_are_stored_as_f16(trained):
    model = onnx.load(trained / "model" / "decoder-step.onnx")
    half = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    full = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert sum(np.prod(t.dims) for t in half) > 4 * sum(np.prod(t.dims) for t in full)


def test_two_concept_models_are_exported_and_scored_without_anything_else(trained, tmp_path):
    """The space and the two checkpoints are all that a work directory needs beside the text."""
    work, folder = tmp_path / "work", tmp_path / "model"
    unneeded = (
        "token-lm*",
        "normalizer.pt",
        "*.npz",
        "base-lcm.log.jsonl",
        "model",
        "data",
        "*.txt",
        "*.json",
    )
    shutil.copytree(trained, work, ignore=lambda _, names: _matching(names, unneeded))
    shutil.copytree(trained / "text", work / "text", dirs_exist_ok=True)
    shutil.copyfile(trained / "tokenizer.json", work / "tokenizer.json")
    for step in ("export", "tune", "export"):
        run(work, step, "--out", str(folder), *(["--limit", "2"] if step == "tune" else []))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["defaultConceptModel"] == "two-tower", "nothing is known of their scores yet"
    scores = run(work, "evaluate", "--out", str(folder), "--limit", "30")
    manifest = json.loads((folder / "manifest.json").read_text())
    teacher_forced = scores["comparison"]["teacher_forced"]["stories"]["models"]
    assert {"l2", "l2_r", "ca", "par", "rouge_l"} <= set(teacher_forced["base-lcm"]) & set(
        teacher_forced["two-tower"]
    )
    better = max(("two-tower", "base-lcm"), key=lambda name: teacher_forced[name]["ca"])
    assert manifest["defaultConceptModel"] == better
    free = scores["comparison"]["free"]
    assert set(free) == {"two-tower", "base-lcm"}
    held_out = len((work / "text" / "stories.valid.jsonl").read_text().splitlines())
    for entry in free.values():
        assert {"distinct_1", "distinct_2", "repetition_4", "repeated_sentences"} <= entry.keys()
        assert len(entry["samples"]) == min(20, held_out)
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"base-lcm, the first {min(20, held_out)}, unselected" in card and "MI:" not in card

    run(work, "export", "--out", str(folder))
    assert json.loads((folder / "manifest.json").read_text())["defaultConceptModel"] == better
    worse = {"two-tower": "base-lcm", "base-lcm": "two-tower"}[better]
    run(work, "export", "--out", str(folder), "--default-concept-model", worse)
    assert json.loads((folder / "manifest.json").read_text())["defaultConceptModel"] == worse
    with pytest.raises(ValueError, match="there is no concept model"):
        run(work, "export", "--out", str(folder), "--default-concept-model", "three-tower")
    (work / "two-tower.pt").unlink()
    (work / BETTER_MODEL).unlink()
    assert default_concept_model(work, ["two-tower", "base-lcm"]) == "base-lcm"

    run(work, "export", "--out", str(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert _summary_prompts(manifest) == {"base-lcm": SUMMARY}, "the Two-Tower model is untrained"
    counts = work / "text" / "counts.json"
    counts.write_text(json.dumps(json.loads(counts.read_text()) | {"summaries.train": 0}))
    run(work, "export", "--out", str(folder))
    assert _summary_prompts(json.loads((folder / "manifest.json").read_text())) == {}


def _summary_prompts(manifest: dict) -> dict[str, str]:
    models = manifest["conceptModels"].items()
    return {name: entry["summaryPrompt"] for name, entry in models if "summaryPrompt" in entry}


def _matching(names: list[str], patterns: tuple[str, ...]) -> set[str]:
    return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}


def test_export_check_fails_on_other_weights(trained):
    folder = trained / "model"
    text = (folder / "manifest.json").read_text()
    manifest = json.loads(text)

    def models():
        diffusion = {"two-tower": load_two_tower(folder)[0], "one-tower": load_one_tower(folder)[0]}
        quant = {name: load_quant(folder, name)[0] for name in ("quant-lcm-c", "quant-lcm-d")}
        return {"base-lcm": load_base(folder), **diffusion, **quant}

    def check(space, changed):
        (folder / "manifest.json").write_text(text)
        verify_folder(space, folder, manifest, changed)

    space = round_weights(load_space(trained), int8=False)
    check(space, models())
    for name, weight in (
        ("base-lcm", "lcm.layers.1.ffn.gate_proj.weight"),
        ("base-lcm", "frontend.sonar_normalizer.scale"),
        ("two-tower", "denoiser.final_proj.fc.weight"),
        ("one-tower", "frontend.pos_encoder.weight"),
        ("quant-lcm-c", "postnet.fc.weight"),
        ("quant-lcm-d", "frontend.embed_codebook.weight"),
        ("quant-lcm-d", "quantizer.codebooks.3.weight"),
    ):
        (folder / "manifest.json").write_text(text)
        changed = models()
        changed[name].state_dict()[weight].mul_(1.5)
        with pytest.raises(ExportMismatch, match=name):
            check(space, changed)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ExportMismatch, match="manifest"):
        check(space, {"two-tower": models()["two-tower"]})
    (folder / "manifest.json").write_text(text)
    unchanged = models()
    space.encoder.layer_norm.weight.mul_(1.5)
    with pytest.raises(ExportMismatch):
        check(space, unchanged)
    (folder / "manifest.json").write_text(text)


@pytest.mark.parametrize("int8", [False, True])
def test_a_graph_gives_its_weights_back(trained, tmp_path, int8):
    space = round_weights(load_space(trained), int8)
    export_graphs(space.encoder, space.decoder, tmp_path)
    found = {}
    for path in tmp_path.glob("*.onnx"):
        found |= graph_weights(path)
    wanted = {name: tensor for name, tensor in space.state_dict().items() if not name.startswith("bag.")}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert np.array_equal(found[name], tensor.numpy()), name


def test_exported_concept_model_keeps_its_normalizer(trained):
    model, _ = load_two_tower(trained / "model")
    saved = torch.load(trained / "normalizer.pt")
    assert torch.equal(model.sonar_normalizer.center, saved["center"])


def test_tokenizer_round_trip_with_bytes(trained):
    tokenizer = ExportedSpace(trained / "model").tokenizer
    for text in ("End of text.", "Ça va, 日本?", 'He said: "No!"'):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
