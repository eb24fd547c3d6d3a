"""`python tests/make_converted_models.py FOLDER`: random checkpoints of both families, converted in every dtype, and PyTorch's numbers.

The folder is `src/engine/converted`; the browser's tests load it. The checkpoints look as the public code writes them; the numbers
are those of the PyTorch model with the weights as they are stored.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file
from test_conformance import fill, given

from noema_training.base_lcm import generate_base
from noema_training.concept_checkpoint import MODELS, build
from noema_training.convert import add_concept_model
from noema_training.diffusion import Decoding, generate
from noema_training.stored_weights import DTYPES, expanded

SIZES = {"sonar_dim": 8, "model_dim": 16, "heads": 2, "ffn_inner": 32}
LAYERS = {"two_tower": {"context_layers": 1, "denoiser_layers": 1}, "base_lcm": {"layers": 1}}
SCHEDULE = {
    "beta_schedule": "squaredcos_cap_v2",
    "train_steps": 100,
    "prediction_type": "sample",
    "no_zero_snr": False,
}
DOCUMENT = {"stream": "converted.document", "shape": [1, 4, 8], "amp": 1.0}
NOISE = {"stream": "converted.noise", "shape": [2, 1, 8], "amp": 1.7}
DECODING = Decoding(steps=10)


def checkpoint(family: str, path: Path) -> None:
    """What the public code saves: `{"model": …}`, wrapped names, and projections that have no effect."""
    state = fill(MODELS[family](**SIZES, **LAYERS[family]), f"converted.{family}.").state_dict()
    for i in range(LAYERS[family].get("denoiser_layers", 0)):
        for part in ("q_proj", "k_proj"):
            state[f"denoiser.layers.{i}.self_attn.{part}.weight"] = torch.ones(16, 16)
            state[f"denoiser.layers.{i}.self_attn.{part}.bias"] = torch.ones(16)
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}, "step_nr": 1}, path)


def generated(model: torch.nn.Module, family: str) -> torch.Tensor:
    """Two concepts after the document."""
    if family == "base_lcm":
        return generate_base(model, given(DOCUMENT), 2)
    noise = given(NOISE)
    return generate(model, given(DOCUMENT), 2, DECODING, lambda index: noise[index])


def make(out: Path) -> None:
    out.mkdir(exist_ok=True)
    cases = []
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        manifest = {"format": "noema-model", "space": {"dim": 8}, "conceptModels": {}, "files": {}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        for family in MODELS:
            checkpoint(family, folder / "checkpoint.pt")
            for dtype in DTYPES:
                name = f"{family}-{dtype}"
                add_concept_model(folder / "checkpoint.pt", folder, name, 2, 16, dtype, False, **SCHEDULE)
                entry = json.loads((folder / "manifest.json").read_text())["conceptModels"][name]
                kept = load_file(folder / entry["file"])
                names = [tensor for tensor in kept if not tensor.endswith(".group_scales")]
                weights = {tensor: expanded(kept, tensor) for tensor in names}
                model = build(weights, family, entry["architecture"])
                (out / entry["file"]).write_bytes((folder / entry["file"]).read_bytes())
                expected = [float(f"{x:.9g}") for x in generated(model, family).flatten().tolist()]
                cases.append({"name": name, "entry": entry, "expected": expected})
    inputs = {"document": DOCUMENT, "noise": NOISE, "decoding": asdict(DECODING)}
    (out / "cases.json").write_text(json.dumps({"inputs": inputs, "cases": cases}) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
