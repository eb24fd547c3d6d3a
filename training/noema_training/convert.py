"""A converted checkpoint becomes a concept model of a model folder."""

import json
from pathlib import Path

from safetensors.torch import save_file

from .concept_checkpoint import CheckpointError, checked, infer_architecture, read_checkpoint
from .export import write_manifest
from .stored_weights import DTYPES, relative_error, stored

ENDINGS = {"endOfTextThreshold": 0.9, "stopOnRepetitionThreshold": 0.9, "beam": 5}
# The paper's decoding (lcm.md §4.3).
DIFFUSION = {
    "steps": 40,
    "guidanceScale": 3,
    "guidanceRescale": 0.7,
    "initialNoiseScale": 0.6,
    "epsilonScaling": 1.00045,
}


def add_concept_model(
    checkpoint: Path,
    folder: Path,
    name: str,
    heads: int | None,
    max_seq_len: int,
    dtype: str,
    default: bool,
    **schedule,
) -> dict:
    """Writes `name.safetensors` and the manifest's entry; returns the architecture and the errors of every dtype."""
    manifest = read_manifest(folder)
    tensors = read_checkpoint(checkpoint)
    family, architecture = infer_architecture(tensors, heads, max_seq_len)
    if architecture["sonar_dim"] != manifest["space"]["dim"]:
        raise CheckpointError(
            f"the model's concepts have {architecture['sonar_dim']} numbers, the folder's space {manifest['space']['dim']}"
        )
    tensors = checked(tensors, family, architecture)
    entry = {"family": family, "file": f"{name}.safetensors", "architecture": architecture}
    if family == "two_tower":
        entry |= {"scheduler": scheduler(**schedule), "decoding": DIFFUSION | ENDINGS}
        entry["decoding"]["steps"] = min(40, schedule["train_steps"])
    else:
        entry["decoding"] = {"sample": False, "temperature": 1.0, **ENDINGS}
    errors = {}
    for candidate in DTYPES:
        kept = stored(tensors, candidate)
        errors[candidate] = relative_error(tensors, kept)
        if candidate == dtype:
            save_file(kept, folder / entry["file"], metadata={"format": "pt"})
    manifest["conceptModels"][name] = entry
    if default or manifest.get("defaultConceptModel") not in manifest["conceptModels"]:
        manifest["defaultConceptModel"] = name
    sizes = write_manifest(folder, manifest, limit=None)
    return {"family": family, "architecture": architecture, "errors": errors, "bytes": sizes[entry["file"]]}


def read_manifest(folder: Path) -> dict:
    path = folder / "manifest.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is no model folder: it has no manifest.json (convert_sonar.py makes one)"
        )
    return json.loads(path.read_text())


def scheduler(
    beta_schedule: str | None,
    train_steps: int,
    prediction_type: str,
    no_zero_snr: bool,
    **numbers: float | None,
) -> dict:
    """The manifest's `scheduler`; the schedule is in no shape, so it has to be given."""
    if beta_schedule is None:
        raise CheckpointError(
            "no shape tells the noise schedule: give --beta-schedule (the published recipes use squaredcos_cap_v2)"
        )
    return {
        "num_diffusion_train_steps": train_steps,
        "beta_schedule": beta_schedule,
        "rescale_betas_zero_snr": not no_zero_snr,
        "timestep_spacing": "trailing",
        "prediction_type": prediction_type,
        **{name: value for name, value in numbers.items() if value is not None},
    }
