"""Step `export`: the model folder the browser loads, checked against PyTorch before its manifest is written."""

import hashlib
import json
import shutil
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from .config import (
    BOS,
    END_OF_TEXT,
    EOS,
    LANGUAGE_NAMES,
    LANGUAGES,
    MAX_CHARACTERS,
    MAX_TOKENS,
    PAD,
    SUMMARY,
    UNK,
    Profile,
)
from .diffusion import TRAIN_STEPS, Decoding
from .graphs import export_graphs
from .one_tower import OneTower
from .quant_lcm import QUANT_LCMS, Refinement
from .space import Space, int8_rows, load_space
from .tokenizer import language_ids, load_tokenizer
from .trainer import load_trained
from .tuned import load_base_lcm
from .two_tower import TwoTower
from .verify import verify_folder

BETTER_MODEL = "default-concept-model.txt"  # in the work directory: the choice of `evaluate`
SIZE_LIMIT = 64_000_000
LICENCE = "CC-BY-SA-4.0 (weights; attribution of the training texts in MODEL_CARD.md)"
DESCRIPTION = "A small sentence space for English, French, German and Spanish with {}."
KINDS = {
    "two-tower": "a Two-Tower diffusion concept model",
    "base-lcm": "a Base-LCM",
    "one-tower": "a One-Tower diffusion model",
    "quant-lcm-c": "a Quant-LCM-c",
    "quant-lcm-d": "a Quant-LCM-d",
}
SUMMARISERS = ("base-lcm", "two-tower")
TEXT = {"temperature": 0.6, "topP": 0.95, "drafts": 16}
# How vectors are put into words; those that are predictions by the concept model's own beam.
SPOKEN = {"beam": 5, "nearest": True}
STOPPING = {"endOfTextThreshold": 0.9, "stopOnRepetitionThreshold": 0.9, "beam": 1}
# The paper's for several sentences (lcm.md §7); -c's temperature is its 0.005 over the mean squared length of a centred SONAR concept.
REFINEMENTS = {
    "quant-lcm-c": Refinement(guidance_scale=1.5, temperature=0.14, top_k=5),
    "quant-lcm-d": Refinement(guidance_scale=1.0, temperature=1.0, top_k=3),
}
SCHEDULER = {
    "num_diffusion_train_steps": TRAIN_STEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "prediction_type": "sample",
}


def export(
    work: Path,
    folder: Path,
    profile: Profile,
    default: str | None = None,
    name: str = "mini",
    version: str = "0.1.0",
    licence: str = LICENCE,
) -> dict:
    """Exports the work directory's space and concept models; returns the sizes of the files.

    Without work/two-tower.pt an untrained Two-Tower model of the profile's size is written; a Base-LCM, a One-Tower model and
    Quant-LCMs are added where they were trained.
    `default` names the default concept model, see `default_concept_model`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    space = round_weights(load_space(work), profile.int8)
    two_tower, architecture = load_concept_model(work, space, profile)
    models, concept_models = {"two-tower": two_tower}, {}
    concept_models["two-tower"] = concept_entry(architecture, load_decoding(work))
    if (work / "base-lcm.pt").exists():
        models["base-lcm"], sizes = load_base_lcm(work)
        concept_models["base-lcm"] = base_entry(sizes, load_temperature(work))
    if (work / "one-tower.pt").exists():
        models["one-tower"], sizes = load_trained(OneTower, work, "one-tower")
        concept_models["one-tower"] = concept_entry(sizes, Decoding(), "one_tower")
    for kind, refinement in REFINEMENTS.items():
        if (work / f"{kind}.pt").exists():
            models[kind], sizes = load_trained(QUANT_LCMS[kind], work, kind)
            concept_models[kind] = quant_entry(kind, sizes, refinement)
    if learnt_summaries(work):
        for kind in SUMMARISERS:
            if (work / f"{kind}.pt").exists():
                concept_models[kind]["summaryPrompt"] = SUMMARY
    default = default_concept_model(work, list(concept_models), default)
    export_graphs(space.encoder, space.decoder, folder)
    for kind, model in models.items():
        save_concept_model(round_to_half(model), folder / concept_models[kind]["file"])
    shutil.copyfile(work / "tokenizer.json", folder / "tokenizer.json")
    manifest = {
        "format": "noema-model",
        "formatVersion": 1,
        "name": name,
        "version": version,
        "licence": licence,
        "description": DESCRIPTION.format(" and ".join(KINDS[kind] for kind in concept_models)),
        "files": {},
        "space": space_entry(space, work),
        "conceptModels": concept_models,
        "defaultConceptModel": default,
    }
    verify_folder(space, folder, manifest, models)
    return write_manifest(folder, manifest)


def learnt_summaries(work: Path) -> bool:
    """Whether documents that end in their summary are among the text that the concept models are trained on."""
    counts = work / "text" / "counts.json"
    return counts.exists() and json.loads(counts.read_text()).get("summaries.train", 0) > 0


def default_concept_model(work: Path, names: list[str], wished: str | None = None) -> str:
    """The one wished for; else the better one by the last `evaluate`; else the trained one, the Two-Tower model where both are."""
    if wished is not None:
        if wished not in names:
            raise ValueError(f"there is no concept model {wished}: the folder has {' and '.join(names)}")
        return wished
    chosen = work / BETTER_MODEL
    if chosen.exists() and (better := chosen.read_text().strip()) in names:
        return better
    return next((name for name in names if (work / f"{name}.pt").exists()), names[0])


def write_manifest(folder: Path, manifest: dict, limit: int | None = SIZE_LIMIT) -> dict:
    """Lists every file with size and SHA-256 and writes manifest.json last; no more than `limit` bytes in all."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "manifest.json")
    manifest["files"] = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files}
    total = sum(entry["bytes"] for entry in manifest["files"].values())
    if limit is not None and total >= limit:
        raise ValueError(f"the folder has {total} bytes, the limit is {limit}")
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return {"total": total, **{name: entry["bytes"] for name, entry in manifest["files"].items()}}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def round_weights(space: Space, int8: bool) -> Space:
    """Rounds all parameters to f16 values, or matrices to 255 levels a row, so that storing them so loses nothing more."""
    for parameter in space.parameters():
        if int8 and parameter.ndim == 2:
            values, scale = int8_rows(parameter)
            parameter.copy_(values * scale)
        else:
            parameter.copy_(parameter.half().float())
    return space


def load_concept_model(work: Path, space: Space, profile: Profile) -> tuple[TwoTower, dict]:
    """The trained concept model, or an untrained one, with its architecture."""
    if (work / "two-tower.pt").exists():
        return load_trained(TwoTower, work, "two-tower")
    names = ("model_dim", "heads", "context_layers", "denoiser_layers", "ffn_inner", "max_seq_len")
    sizes = {name: getattr(profile.two_tower, name) for name in names}
    architecture = {"sonar_dim": space.sizes["dim"], **sizes}
    return TwoTower(**architecture), architecture


@torch.no_grad()
def round_to_half(model: nn.Module) -> nn.Module:
    """Rounds all parameters to f16 values, so that storing them so loses nothing more; the normalizer is not one of them."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())
    return model.eval().requires_grad_(False)


def save_concept_model(model: nn.Module, path: Path) -> None:
    """F16 weights, F32 normalizer."""
    tensors = {
        name: value.contiguous() if "sonar_normalizer" in name else value.half().contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(tensors, path, metadata={"format": "pt"})


def load_decoding(work: Path) -> Decoding:
    """The settings chosen by `tune`, or the paper's with fewer steps."""
    path = work / "decoding.json"
    if not path.exists():
        return Decoding()
    known = {entry.name for entry in fields(Decoding)}
    return Decoding(**{k: v for k, v in json.loads(path.read_text()).items() if k in known})


def load_temperature(work: Path) -> float:
    """The temperature chosen by `tune`, or one that hardly moves a sentence."""
    path = work / "decoding-base.json"
    return json.loads(path.read_text())["temperature"] if path.exists() else 0.1


def space_entry(space: Space, work: Path) -> dict:
    sizes, tokens = space.sizes, language_ids(load_tokenizer(work))
    return {
        "dim": sizes["dim"],
        "languages": [
            {"code": LANGUAGES[short], "name": LANGUAGE_NAMES[LANGUAGES[short]], "token": token}
            for short, token in tokens.items()
        ],
        "tokenizer": "tokenizer.json",
        "tokens": {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS},
        "maxTokens": MAX_TOKENS,
        "maxCharacters": MAX_CHARACTERS,
        "encoder": {"file": "encoder.onnx"},
        "decoder": {
            "conditioning": "decoder-conditioning.onnx",
            "step": "decoder-step.onnx",
            "layers": sizes["layers"],
            "heads": sizes["heads"],
            "headDim": sizes["dim"] // sizes["heads"],
        },
        "decoding": SPOKEN,
        "endOfText": END_OF_TEXT,
    }


def concept_entry(architecture: dict, decoding: Decoding, family: str = "two_tower") -> dict:
    """Of a diffusion model."""
    return {
        "family": family,
        "file": f"{family.replace('_', '-')}.safetensors",
        "architecture": architecture,
        "scheduler": SCHEDULER,
        "decoding": {**camel(decoding), **STOPPING, "beam": SPOKEN["beam"]},
    }


def quant_entry(kind: str, architecture: dict, refinement: Refinement) -> dict:
    return {
        "family": kind.replace("-", "_"),
        "file": f"{kind}.safetensors",
        "architecture": architecture,
        "decoding": {**camel(refinement), **STOPPING},
    }


def camel(settings: Decoding | Refinement) -> dict:
    """Settings by their names in the manifest."""
    return {
        "".join(part.title() if i else part for i, part in enumerate(k.split("_"))): v
        for k, v in asdict(settings).items()
    }


def base_entry(architecture: dict, temperature: float) -> dict:
    """Sampling noise is on at the temperature that `tune` chose, so that another seed gives another text.

    Predictions that are means of what may come next lie close together without saying the same: only near equality is repetition. They
    also lie far from the end-of-text concept, where a text may as well go on: at a cosine of 0.75 at most, after a summary. For the same
    reason texts go on from what their sentences say, and each sentence is the best of several drafts (see the card).
    """
    return {
        "family": "base_lcm",
        "file": "base-lcm.safetensors",
        "architecture": architecture,
        "decoding": {
            "sample": True,
            "temperature": temperature,
            **STOPPING,
            "endOfTextThreshold": 0.5,
            "stopOnRepetitionThreshold": 0.98,
            "reread": "eng_Latn",
            "text": TEXT,
        },
    }
