"""SONAR's towers and tokenizer become the space of a model folder: ONNX graphs with external data."""

import logging
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from .concept_checkpoint import CheckpointError
from .config import END_OF_TEXT, LANGUAGE_NAMES
from .export import write_manifest
from .graphs import decoder_specs, encoder_spec, traced
from .nllb_tokenizer import LANGUAGES, nllb_tokenizer
from .sonar_checkpoint import MAX_TOKENS, load_tower

DTYPES = {"f32": None, "q8": 8, "q4": 4}
LICENCE = "as the converted weights (ports of SONAR are CC-BY-NC-4.0)"
# Browsers fetch and hold a file as one buffer of less than 2 GiB.
LARGEST_FILE = 1_900_000_000
INSIDE = 1024
BLOCK = 32
ALIGNMENT = 64


def convert_space(
    encoder: Path, decoder: Path, tokenizer: Path, out: Path, dtype: str, heads: int | None, name: str
) -> dict:
    """Writes the folder, without a concept model; returns the sizes of its files."""
    out.mkdir(parents=True, exist_ok=True)
    pieces = nllb_tokenizer(tokenizer)
    languages = [(code, pieces.token_to_id(f"__{code}__")) for code in LANGUAGES]
    dim, vocabulary = write_encoder(encoder, out, dtype, heads)
    sizes = write_decoder(decoder, out, dtype, heads)
    if sizes.pop("dim") != dim or sizes.pop("vocabulary") != vocabulary:
        raise CheckpointError("encoder and decoder are not of the same width and vocabulary")
    if pieces.get_vocab_size() != vocabulary:
        raise CheckpointError(f"the tokenizer has {pieces.get_vocab_size()} tokens, the model {vocabulary}")
    pieces.save(str(out / "tokenizer.json"))
    space = {
        "dim": dim,
        "languages": [
            {"code": code, "name": LANGUAGE_NAMES.get(code, code), "token": token}
            for code, token in languages
        ],
        "tokenizer": "tokenizer.json",
        # The reference never generates id 1 and calls it the padding (sonar.md §4).
        "tokens": {"pad": 1, "unk": 1, "bos": 2, "eos": 3},
        "maxTokens": MAX_TOKENS,
        "maxCharacters": 256,
        "encoder": {"file": "encoder.onnx"},
        "decoder": {"conditioning": "decoder-conditioning.onnx", "step": "decoder-step.onnx", **sizes},
        "endOfText": END_OF_TEXT,
    }
    manifest = {
        "format": "noema-model",
        "formatVersion": 1,
        "name": name,
        "version": "1",
        "licence": LICENCE,
        "description": "The SONAR text space, converted.",
        "files": {},
        "space": space,
        "conceptModels": {},
    }
    return write_manifest(out, manifest, limit=None)


@torch.no_grad()
def write_encoder(path: Path, out: Path, dtype: str, heads: int | None) -> tuple[int, int]:
    tower = load_tower(path, "encoder", heads)
    save_external(quantized(traced(encoder_spec(tower)), DTYPES[dtype]), out / "encoder.onnx")
    vocabulary, dim = tower.encoder_frontend.embed.weight.shape
    return dim, vocabulary


@torch.no_grad()
def write_decoder(path: Path, out: Path, dtype: str, heads: int | None) -> dict:
    tower = load_tower(path, "decoder", heads)
    for spec in decoder_specs(tower, shared_head=dtype == "f32"):
        # What conditions the decoder is a thousandth of it, and its errors go into every token.
        bits = DTYPES[dtype] if spec.name == "decoder-step" else None
        save_external(quantized(traced(spec), bits), out / f"{spec.name}.onnx")
    attention = tower.decoder.layers[0].self_attn
    vocabulary, dim = tower.decoder_frontend.embed.weight.shape
    sizes = {"layers": len(tower.decoder.layers), "heads": attention.heads, "headDim": dim // attention.heads}
    return {"dim": dim, "vocabulary": vocabulary, **sizes}


def quantized(model: ModelProto, bits: int | None) -> ModelProto:
    """ONNX Runtime's weight-only quantiser on all products, in blocks of BLOCK, and on embeddings, which it knows in 4 bits only."""
    if bits is None:
        return model
    kinds = ("MatMul", "Gather") if bits == 4 else ("MatMul",)
    quantizer = MatMulNBitsQuantizer(
        model, bits=bits, block_size=BLOCK, is_symmetric=True, op_types_to_quantize=kinds
    )
    # It reports every node it leaves alone, and that it raises the opset.
    logging.getLogger(MatMulNBitsQuantizer.__module__).setLevel(logging.ERROR)
    quantizer.process()
    model = quantizer.model.model
    return embeddings_in_int8(model) if bits == 8 else model


def embeddings_in_int8(model: ModelProto) -> ModelProto:
    """Rows of embeddings as int8 with one scale each."""
    graph = model.graph
    tables = {
        tensor.name: tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2
    }
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None:
            nodes.append(node)
            continue
        name, values = table.name, numpy_helper.to_array(table)
        scale = np.maximum(np.abs(values).max(axis=1, keepdims=True) / 127, 1e-30).astype(np.float32)
        rows = np.round(values / scale).astype(np.int8)
        graph.initializer.remove(table)
        graph.initializer.extend(
            [numpy_helper.from_array(rows, f"{name}.int8"), numpy_helper.from_array(scale, f"{name}.scale")]
        )
        make = helper.make_node
        nodes += [
            make("Gather", [f"{name}.int8", node.input[1]], [f"{name}.rows"]),
            make("Cast", [f"{name}.rows"], [f"{name}.whole"], to=TensorProto.FLOAT),
            make("Gather", [f"{name}.scale", node.input[1]], [f"{name}.scales"]),
            make("Mul", [f"{name}.whole", f"{name}.scales"], list(node.output)),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def save_external(model: ModelProto, path: Path, largest: int = LARGEST_FILE) -> None:
    """`path` without its large weights, which go to `path`.data-0, `path`.data-1 …, none over `largest` bytes."""
    for old in path.parent.glob(f"{path.name}.data-*"):
        old.unlink()
    index, file = 0, None
    try:
        for tensor in model.graph.initializer:
            data = numpy_helper.to_array(tensor)
            if data.nbytes < INSIDE:
                continue
            raw = tensor.raw_data or data.tobytes()
            padding = -file.tell() % ALIGNMENT if file else 0
            if file and file.tell() + padding + len(raw) > largest:
                file.close()
                index, file, padding = index + 1, None, 0
            location = f"{path.name}.data-{index}"
            file = file or (path.parent / location).open("wb")
            file.write(b"\0" * padding)
            # The bytes have to be there when the place is set; they leave the message afterwards.
            tensor.raw_data = raw
            set_external_data(tensor, location, offset=file.tell(), length=len(raw))
            file.write(raw)
            tensor.ClearField("raw_data")
    finally:
        if file:
            file.close()
    onnx.save(model, path)
