"""Writes the Quant-LCM cases of the browser's tests: `python make_quant_lcm_cases.py ../../src/engine/quant-lcm-cases.json`.

Weights and inputs are made from their names (conformance/README.md §1); what is expected is what the PyTorch models compute.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from test_conformance import fill, given

from noema_training.quant_lcm import QUANT_LCMS, Refinement, generate_quant

SIZES = {
    "small": dict(
        sonar_dim=12,
        model_dim=32,
        heads=4,
        layers=3,
        codebook_embed_dim=8,
        ffn_inner=48,
        n_codebooks=6,
        n_units_per_codebook=20,
        max_seq_len=9,
    ),
    "odd": dict(
        sonar_dim=7,
        model_dim=30,
        heads=3,
        layers=2,
        codebook_embed_dim=11,
        ffn_inner=37,
        n_codebooks=5,
        n_units_per_codebook=13,
        max_seq_len=8,
    ),
}
USED = [0, 3, 1, 4, 2]


def make_case(kind: str, size: str, length: int, refinement: Refinement) -> dict:
    """A training pass over five concepts, and three concepts generated after the first `length` of them."""
    sizes, prefix = SIZES[size], f"{kind}.{size}."
    model = fill(QUANT_LCMS[kind](**sizes), prefix)
    dim, codebooks = sizes["sonar_dim"], sizes["n_codebooks"]
    inputs = {
        "document": {"stream": f"{prefix}document", "shape": [1, 5, dim], "amp": 1.0},
        "used": USED,
        "alone": [3],
        "prompt_length": length,
        "noise": {"stream_pattern": f"{prefix}noise<i>", "shape": [1, 2 * codebooks], "amp": 1.7},
    }
    noise = inputs["noise"]

    def draw(index: int) -> torch.Tensor:
        return given(noise | {"stream": noise["stream_pattern"].replace("<i>", str(index))})

    document, used = given(inputs["document"]), torch.tensor([USED])
    clean = model.sonar_normalizer.normalize(document)
    units = model.quantizer.encode(clean[0])[None]
    partial = model.quantizer.partial_sums(units, used)
    alone = torch.isin(torch.arange(5), torch.tensor(inputs["alone"]))[None]
    with torch.no_grad():
        output = model(clean, partial, used, alone)
    generated = generate_quant(model, document[:, :length], 3, refinement, draw)
    numbers = {"clean": clean, "partial": partial, "output": output, "generated": generated}
    return {
        "name": f"{kind}, {size}, {length} before, top {refinement.top_k}",
        "kind": kind,
        "model": {"prefix": prefix, **sizes},
        "inputs": inputs,
        "decoding": asdict(refinement),
        "expected": {
            "units": units.flatten().tolist(),
            **{key: [float(f"{x:.9g}") for x in value.flatten().tolist()] for key, value in numbers.items()},
        },
    }


def all_cases() -> list[dict]:
    return [
        make_case("quant-lcm-c", "small", 1, Refinement(guidance_scale=3.0, top_k=1)),
        make_case("quant-lcm-c", "odd", 4, Refinement(guidance_scale=1.5, temperature=0.14, top_k=5)),
        make_case("quant-lcm-d", "small", 4, Refinement(guidance_scale=2.0, top_k=1)),
        make_case("quant-lcm-d", "small", 1, Refinement(guidance_scale=1.0, temperature=1.0, top_k=3)),
        make_case("quant-lcm-d", "odd", 4, Refinement(guidance_scale=2.0, temperature=0.7, top_k=100)),
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"cases": all_cases()}) + "\n")
