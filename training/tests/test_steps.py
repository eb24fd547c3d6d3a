"""Every step end to end at test size, on stories from training/worlds and a few pairs written here."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from noema_training.runtime import ExportedSpace, load_two_tower
from noema_training.verify import ExportMismatch, verify_folder

PAIRS = {
    "fr": [("The {} is here.", "Le {} est ici."), ("I see the {}.", "Je vois le {}.")],
    "de": [("The {} is here.", "Der {} ist hier."), ("I see the {}.", "Ich sehe den {}.")],
    "es": [("The {} is here.", "El {} está aquí."), ("I see the {}.", "Veo el {}.")],
}
NOUNS = [
    f"{first}{last}" for first in ("ka", "lo", "mi", "tu", "re") for last in ("ron", "bel", "dan", "sop")
]


def run(work: Path, step: str, *arguments: str) -> dict:
    command = [sys.executable, "-m", "noema_training", step, "--work", str(work), "--profile", "test"]
    command += ["--threads", "1"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("work")
    (work / "data" / "pairs").mkdir(parents=True)
    for language, patterns in PAIRS.items():
        lines = [f"{e.format(noun)}\t{o.format(noun)}" for noun in NOUNS for e, o in patterns]
        (work / "data" / "pairs" / f"en-{language}.tsv").write_text("\n".join(lines) + "\n")
    counts = run(work, "prepare", "--data", str(work / "data"), "--limit", "40")
    assert counts["stories.train"] > 0 and counts["stories.valid"] > 0
    assert run(work, "tokenizer")["story-sentences.train"] > 100
    assert run(work, "space", "--limit", "6")["step"] == 6
    assert run(work, "encode", "--limit", "30")["train"]["documents"] == 30
    assert run(work, "normalizer")["normalized_std_mean"] > 0
    assert run(work, "two-tower", "--limit", "6")["step"] == 6
    assert run(work, "base-lcm", "--limit", "6")["step"] == 6
    yardstick = run(work, "token-lm", "--limit", "6")
    assert abs(yardstick["parameters"] / yardstick["target"] - 1) < 0.15
    assert yardstick["valid_perplexity"] < 700
    run(work, "export", "--out", str(work / "model"))
    return work


def test_training_resumes_from_the_checkpoint(trained):
    assert run(trained, "space", "--limit", "8")["step"] == 8
    assert run(trained, "two-tower", "--limit", "8")["step"] == 8


def test_tuned_settings_reach_the_manifest_and_scores_the_card(trained):
    folder = trained / "model"
    best = run(trained, "tune", "--out", str(folder), "--limit", "2")
    run(trained, "export", "--out", str(folder))
    scores = run(trained, "evaluate", "--out", str(folder), "--limit", "2")
    manifest = json.loads((folder / "manifest.json").read_text())
    decoding = manifest["conceptModels"]["two-tower"]["decoding"]
    assert (decoding["steps"], decoding["guidanceScale"]) == (best["steps"], best["guidance_scale"])
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert len(scores["continuations"]) == 2
    assert "Round trip" in (folder / "MODEL_CARD.md").read_text()


def test_large_weights_are_stored_as_f16(trained):
    model = onnx.load(trained / "model" / "decoder-step.onnx")
    half = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    full = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert sum(np.prod(t.dims) for t in half) > 4 * sum(np.prod(t.dims) for t in full)


def test_export_check_fails_on_other_weights(trained):
    from noema_training.space import load_space

    folder = trained / "model"
    manifest = (folder / "manifest.json").read_text()
    space = load_space(trained)
    space.encoder.layer_norm.weight.mul_(1.5)
    with pytest.raises(ExportMismatch):
        verify_folder(space, folder, json.loads(manifest))
    (folder / "manifest.json").write_text(manifest)


def test_exported_concept_model_keeps_its_normalizer(trained):
    model, _ = load_two_tower(trained / "model")
    saved = torch.load(trained / "normalizer.pt")
    assert torch.equal(model.sonar_normalizer.center, saved["center"])


def test_tokenizer_round_trip_with_bytes(trained):
    tokenizer = ExportedSpace(trained / "model").tokenizer
    for text in ("End of text.", "Ça va, 日本?", 'He said: "No!"'):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
