"""Writes the One-Tower cases of the browser's tests: `python make_one_tower_cases.py ../../src/engine/one-tower-cases.json`.

Weights and inputs are made from their names (conformance/README.md §1); what is expected is what the PyTorch model computes.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from test_conformance import fill, given

from noema_training.diffusion import Decoding, add_noise, cosine_alphas
from noema_training.one_tower import OneTower, generate_one_tower

SIZES = {
    "small": dict(
        sonar_dim=12, model_dim=32, heads=4, layers=3, timestep_embed_dim=8, ffn_inner=48, max_seq_len=9
    ),
    "odd": dict(
        sonar_dim=7, model_dim=30, heads=3, layers=2, timestep_embed_dim=11, ffn_inner=37, max_seq_len=8
    ),
}
DECODINGS = {
    "guided": Decoding(steps=10),
    "unguided": Decoding(steps=8, guidance_scale=1.0, initial_noise_scale=1.0, epsilon_scaling=None),
}
TIMESTEPS = [99, 3, 50, 0, 77]


def make_case(name: str, length: int, decoding: Decoding) -> dict:
    """A training pass over five concepts, and three concepts generated after the first `length` of them."""
    sizes, prefix = SIZES[name], f"one.{name}."
    model = fill(OneTower(**sizes), prefix)
    dim = sizes["sonar_dim"]
    inputs = {
        "document": {"stream": f"{prefix}document", "shape": [1, 5, dim], "amp": 1.0},
        "noise": {"stream": f"{prefix}noise", "shape": [1, 5, dim], "amp": 1.7},
        "timesteps": TIMESTEPS,
        "alone": [3],
        "prompt_length": length,
        "initial_noise": {"stream_pattern": f"{prefix}start<i>", "shape": [1, dim], "amp": 1.7},
    }
    start = inputs["initial_noise"]

    def draw(index: int) -> torch.Tensor:
        return given(start | {"stream": start["stream_pattern"].replace("<i>", str(index))})

    document, timesteps = given(inputs["document"]), torch.tensor([TIMESTEPS])
    clean = model.sonar_normalizer.normalize(document)
    noisy = add_noise(clean, given(inputs["noise"]), cosine_alphas()[timesteps])
    alone = torch.isin(torch.arange(5), torch.tensor(inputs["alone"]))[None]
    with torch.no_grad():
        output = model(clean, noisy, timesteps, alone)
    generated = generate_one_tower(model, document[:, :length], 3, decoding, draw)
    numbers = {"clean": clean, "noisy": noisy, "output": output, "generated": generated}
    return {
        "name": f"{name}, {length} before",
        "model": {"prefix": prefix, **sizes},
        "inputs": inputs,
        "decoding": asdict(decoding),
        "expected": {
            key: [float(f"{x:.9g}") for x in value.flatten().tolist()] for key, value in numbers.items()
        },
    }


def all_cases() -> list[dict]:
    return [
        make_case("small", 1, DECODINGS["guided"]),
        make_case("small", 4, DECODINGS["unguided"]),
        make_case("odd", 4, DECODINGS["guided"]),
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"cases": all_cases()}) + "\n")
