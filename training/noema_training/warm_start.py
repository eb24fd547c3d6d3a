"""Step `warm-start`: the weights of an exported model folder as checkpoints, so that training goes on where a shipped model ended.

The folder holds what inference needs: f16 weights without optimizer state, of the averages where there are averages. The head of the
bag-of-words term is not among them and begins anew.
"""

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from .base_lcm import BaseLcm
from .diffusion import Decoding
from .space import Space
from .tokenizer import load_tokenizer
from .two_tower import TwoTower

SPACE = "space"
CONCEPT_MODELS = {"base-lcm": BaseLcm, "two-tower": TwoTower}
PREFIXES = {
    "stack.": "decoder.decoder.",
    "frontend.": "decoder.decoder_frontend.",
}  # of the decoder step's graph
NOT_TRAINED = "no_bias"


def warm_start(work: Path, folder: Path, models: str | None = None) -> dict[str, int]:
    """Writes checkpoints of the named models (comma-separated; `space`, `base-lcm`, `two-tower`; all when left out).

    With the space comes its tokenizer; where the work directory has another one, the embeddings of its pieces are made from those of
    the folder's (`carried_embeddings`). Concept models take the normalizer of the work directory where it has one, and bring their
    decoding settings. Returns the number of parameters of each. Raises ValueError for a name that the folder or this step does not
    know, or when a checkpoint exists already.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    known = [SPACE, *(name for name in CONCEPT_MODELS if name in manifest["conceptModels"])]
    names = models.split(",") if models else known
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {name} in {folder} to begin with: it has {', '.join(known)}")
        if (work / f"{name}.pt").exists():
            raise ValueError(f"{work / name}.pt exists: delete it to begin with the weights of {folder}")
    counts = {}
    for name in names:
        state = (
            _space(work, folder, manifest) if name == SPACE else _concept_model(work, folder, manifest, name)
        )
        torch.save({**state, "step": 0, "elapsed": 0.0}, work / f"{name}.pt")
        counts[name] = sum(tensor.numel() for tensor in state["model"].values())
    return counts


def _space(work: Path, folder: Path, manifest: dict) -> dict:
    entry = manifest["space"]
    files = [entry["encoder"]["file"], entry["decoder"]["conditioning"], entry["decoder"]["step"]]
    weights: dict[str, Tensor] = {}
    for file in files:
        weights |= {name: torch.from_numpy(array) for name, array in graph_weights(folder / file).items()}
    embeds = {name: weight for name, weight in weights.items() if name.endswith("embed.weight")}
    layers, heads = entry["decoder"]["layers"], entry["decoder"]["heads"]
    ffn = len(weights["encoder.encoder.layers.0.ffn.inner_proj.bias"])
    if (work / "tokenizer.json").exists():
        old, new = load_tokenizer(folder), load_tokenizer(work)
        embeds = {name: carried_embeddings(weight, old, new) for name, weight in embeds.items()}
    else:
        shutil.copyfile(folder / entry["tokenizer"], work / "tokenizer.json")
    heard, said = (embeds[f"{side}.{side}_frontend.embed.weight"] for side in ("encoder", "decoder"))
    space = Space(*heard.shape, layers, heads, ffn, untied=not torch.equal(heard, said))
    begun = {name: value for name, value in space.state_dict().items() if name.startswith("bag.")}
    space.load_state_dict(weights | embeds | begun)
    return {"sizes": space.sizes, "model": space.state_dict()}


def carried_embeddings(embed: Tensor, old: Tokenizer, new: Tokenizer) -> Tensor:
    """Embeddings [pieces of `new`, dim]: that of the same piece in `old`, else the mean of those that `old` cuts the piece into."""
    rows = []
    for number in range(new.get_vocab_size()):
        piece = new.id_to_token(number)
        same = old.token_to_id(piece)
        ids = [same] if same is not None else [token.id for token in old.model.tokenize(piece)]
        rows.append(embed[ids].mean(0))
    return torch.stack(rows)


def _concept_model(work: Path, folder: Path, manifest: dict, name: str) -> dict:
    entry = manifest["conceptModels"][name]
    model = CONCEPT_MODELS[name](**entry["architecture"])
    model.load_state_dict({key: value.float() for key, value in load_file(folder / entry["file"]).items()})
    if (work / "normalizer.pt").exists():
        model.sonar_normalizer.load_state_dict(torch.load(work / "normalizer.pt"))
    decoding = entry["decoding"]
    if name == "base-lcm":
        (work / "decoding-base.json").write_text(json.dumps({"temperature": decoding["temperature"]}))
    else:
        snake = {
            re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value
            for key, value in decoding.items()
        }
        known = {entry.name for entry in fields(Decoding)}
        chosen = {key: value for key, value in snake.items() if key in known}
        (work / "decoding.json").write_text(json.dumps(chosen))
    return {"architecture": entry["architecture"], "model": model.state_dict()}


def graph_weights(path: Path) -> dict[str, np.ndarray]:
    """The parameters f32 in an exported graph of the space, under the names that `Space` has for them.

    The exporter keeps the names of embeddings, norms and biases, and stores the matrix of a linear layer transposed and without its
    name; the name is that of the bias added to its product.
    """
    graph = onnx.load(path).graph
    values = _stored(graph)
    bias_of = {}
    for node in graph.node:
        if node.op_type == "Add":
            for product, bias in (node.input, reversed(node.input)):
                if bias.endswith(".bias") and bias in values:
                    bias_of[product] = bias
    named = {name: array for name, array in values.items() if "::" not in name and name != NOT_TRAINED}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in values:
            name = bias_of[node.output[0]].removesuffix("bias") + "weight"
            named[name] = np.ascontiguousarray(values[node.input[1]].T)
    for old, new in PREFIXES.items():
        named = {
            new + name.removeprefix(old) if name.startswith(old) else name: array
            for name, array in named.items()
        }
    return named


def _stored(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Float initializers by the names their users know, restored from f16 or int8 (`graphs.store_small`)."""
    raw = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in graph.initializer}
    for node in graph.node:
        if not all(name in raw for name in node.input) or not node.input:
            continue
        if node.op_type == "Cast" and helper.get_node_attr_value(node, "to") == onnx.TensorProto.FLOAT:
            raw[node.output[0]] = raw[node.input[0]].astype(np.float32)
        elif node.op_type == "Mul":
            raw[node.output[0]] = raw[node.input[0]] * raw[node.input[1]]
    return {
        name: array
        for name, array in raw.items()
        if array.dtype == np.float32 and not name.endswith((".whole", ".scale"))
    }
