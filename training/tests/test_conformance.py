"""The PyTorch models against the reference's golden vectors (shared/conformance)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from noema_training.base_lcm import BaseLcm, generate_base
from noema_training.diffusion import Decoding, add_noise, cosine_alphas, generate, trailing_timesteps
from noema_training.sonar import Decoder, Encoder
from noema_training.two_tower import TwoTower, context_mask

FOLDERS = [parent / "shared" / "conformance" for parent in Path(__file__).resolve().parents]
FOLDER = next((folder for folder in FOLDERS if folder.exists()), None)
if FOLDER is None:
    raise FileNotFoundError(
        "The golden outputs are missing: put the folder shared/conformance beside this checkout."
    )


def stream(name: str, count: int) -> np.ndarray:
    """mulberry32 seeded by fnv1a32(name), mapped to [-1, 1) (conformance/README.md §1)."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    a = (seed + 0x6D2B79F5 * np.arange(1, count + 1, dtype=np.uint64)) & np.uint64(0xFFFFFFFF)
    mask = np.uint64(0xFFFFFFFF)
    shift = lambda x, n: x >> np.uint64(n)  # noqa: E731
    t = ((a ^ shift(a, 15)) * (a | np.uint64(1))) & mask
    t = t ^ ((t + (((t ^ shift(t, 7)) * (t | np.uint64(61))) & mask)) & mask)
    return 2 * ((t ^ shift(t, 14)) / 4294967296) - 1


def parameter(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    u = stream(name, int(np.prod(shape)))
    if name.endswith("scale"):
        u = 1 + 0.5 * u
    elif name.endswith("center"):
        u = 0.05 * u
    elif "norm" in name:
        u = 1 + 0.1 * u
    elif name.endswith("bias"):
        u = 0.1 * u
    elif len(shape) == 2:
        u = 1.5 * u / np.sqrt(shape[1])
    return torch.tensor(u.reshape(shape), dtype=torch.float32)


def fill(module: torch.nn.Module, prefix: str = "") -> torch.nn.Module:
    state = {
        name: parameter(prefix + name, tuple(value.shape)) for name, value in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def given(spec: dict) -> torch.Tensor:
    values = spec["amp"] * stream(spec["stream"], int(np.prod(spec["shape"])))
    return torch.tensor(values.reshape(spec["shape"]), dtype=torch.float32)


def check(got: torch.Tensor, want, tolerance: float = 2e-5) -> None:
    want = torch.tensor(want, dtype=torch.float32)
    assert (got.flatten() - want).abs().max() <= tolerance * want.abs().max()


def cases(file: str, kind: str) -> list[dict]:
    return [case for case in json.loads((FOLDER / file).read_text())["cases"] if case["kind"] == kind]


def by_name(case: dict) -> str:
    return case["name"]


def two_tower(case: dict) -> TwoTower:
    sizes = {k: v for k, v in case["model"].items() if k not in ("type", "prefix")}
    return fill(TwoTower(**sizes), case["model"]["prefix"])


def test_generator_matches_the_published_seeds():
    assert stream("prompt", 2).tolist() == [-0.04301087325438857, 0.5214541777968407]


@pytest.mark.parametrize("case", cases("lcm.json", "two_tower_forward"), ids=by_name)
def test_two_tower_forward(case):
    model, inputs, want = two_tower(case), case["inputs"], case["expected"]
    sequence = given(inputs["sequence"])
    source = inputs.get("source_lengths", [0])[0]
    clean = model.sonar_normalizer.normalize(sequence)
    timesteps = torch.tensor(inputs["timesteps"])
    noise = given(inputs["noise"])
    rows = clean.shape[1] - source
    noise, timesteps = noise[:, -rows:], timesteps[:, -rows:]
    noisy = add_noise(clean[:, source:], noise, cosine_alphas()[timesteps])
    got = model(clean, noisy, timesteps, context_mask(rows, clean.shape[1], source))
    check(got, want["output"][0])
    if "context" in want:
        check(clean, want["normalized"][0])
        check(noisy, want["noisy"][0])
        check(model.denoiser.embed_time(timesteps), want["t_emb"][0])
        check(model.contextualize(clean), want["context"][0])


@pytest.mark.parametrize("case", cases("lcm.json", "two_tower_generate"), ids=by_name)
def test_two_tower_generation(case):
    model, options = two_tower(case), case["options"]
    decoding = Decoding(
        steps=options["inference_timesteps"],
        guidance_scale=options.get("guidance_scale", 1),
        guidance_rescale=options.get("guidance_rescale", 0),
        initial_noise_scale=options.get("initial_noise_scale", 1),
        epsilon_scaling=options.get("epsilon_scaling"),
    )
    spec = case["inputs"]["initial_noise"]
    draws = [
        {"stream": spec["stream_pattern"].replace("<i>", str(i)), "shape": [1, 16], "amp": spec["amp"]}
        for i in range(3)
    ]
    assert trailing_timesteps(decoding.steps) == case["expected"]["timesteps"]
    got = generate(model, given(case["inputs"]["prompt"]), 3, decoding, lambda i: given(draws[i]))
    check(got, case["expected"]["generated"][0])


def base_lcm(case: dict) -> BaseLcm:
    sizes = {k: v for k, v in case["model"].items() if k not in ("type", "prefix")}
    return fill(BaseLcm(**sizes), case["model"]["prefix"])


@pytest.mark.parametrize("case", cases("lcm.json", "base_lcm_forward"), ids=by_name)
def test_base_lcm_forward(case):
    model, sequence = base_lcm(case), given(case["inputs"]["sequence"])
    normalized = model.sonar_normalizer.normalize(sequence)
    want = case["expected"]
    check(normalized, want["normalized"])
    check(model(normalized), want["forward"])
    check(model.predict(sequence), want["predict_next_sentence"])


@pytest.mark.parametrize("case", cases("lcm.json", "base_lcm_generate"), ids=by_name)
def test_base_lcm_generation(case):
    got = generate_base(base_lcm(case), given(case["inputs"]["prompt"]), case["options"]["max_gen_len"])
    check(got, case["expected"]["generated"][0])


def sonar_sizes(case: dict) -> dict:
    model = case["model"]
    return dict(
        vocabulary=model["vocab"], dim=model["model_dim"], heads=model["heads"], ffn=model["ffn_inner"]
    )


@pytest.mark.parametrize("case", cases("sonar.json", "sonar_encode"), ids=by_name)
def test_sonar_encoder(case):
    encoder = fill(Encoder(**sonar_sizes(case), layers=case["model"]["encoder_layers"]), "E.")
    rows = case["inputs"]["ids"]
    lengths = torch.tensor(case["inputs"]["lengths"])
    mask = torch.arange(max(map(len, rows))) < lengths[:, None]
    check(encoder(torch.tensor(rows), mask), np.ravel(case["expected"]["embeddings"]))


@pytest.mark.parametrize("case", cases("sonar.json", "sonar_logits"), ids=by_name)
def test_sonar_decoder(case):
    encoder = fill(Encoder(**sonar_sizes(case), layers=case["model"]["encoder_layers"]), "E.")
    decoder = fill(Decoder(**sonar_sizes(case), layers=case["model"]["decoder_layers"]), "D.")
    source, target = torch.tensor(case["inputs"]["source_ids"]), torch.tensor(case["inputs"]["ids"])
    vectors = encoder(source, torch.ones_like(source))
    check(decoder(target, vectors), np.ravel(case["expected"]["logits"]))
