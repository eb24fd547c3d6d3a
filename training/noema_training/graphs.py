"""The three ONNX graphs of the space: encoder, decoder conditioning and one decoder step with a key/value cache."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from .sonar import Decoder, Encoder

OPSET = 17
STORED_SMALL = 1024


class EncoderGraph(nn.Module):
    """input_ids, attention_mask int64 [n, length] -> embeddings [n, dim]."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.encoder(input_ids, attention_mask)


class ConditioningGraph(nn.Module):
    """embeddings [n, dim] -> conditioning [n, layers, dim]."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.decoder.conditioning(embeddings)


class StepGraph(nn.Module):
    """One decoder step: t new tokens after `past` cached ones; `beam_index` picks the rows of the cache.

    input_ids [n, t], conditioning [n, layers, dim], past_key and past_value [layers, n_past, heads, past, head_dim],
    beam_index [n] -> logits [n, vocabulary] of the last position, present_key, present_value.
    """

    def __init__(self, decoder: Decoder, shared_head: bool = True):
        """`shared_head`: one stored matrix for embedding and head. ONNX Runtime's quantiser needs two."""
        super().__init__()
        self.frontend = decoder.decoder_frontend
        self.stack = decoder.decoder
        # With a bias the head becomes Gemm(transB=1) and shares the embedding instead of a transposed copy.
        zeros = torch.zeros(self.frontend.embed.num_embeddings)
        self.no_bias = nn.Parameter(zeros, requires_grad=False) if shared_head else None

    def forward(self, input_ids, conditioning, past_key, past_value, beam_index):
        past_key = past_key.index_select(1, beam_index)
        past_value = past_value.index_select(1, beam_index)
        past, new = past_key.shape[3], input_ids.shape[1]
        positions = torch.arange(past + new)
        hidden = positions[None, :] > positions[past:, None]
        x = self.frontend.embed(input_ids) * self.frontend.embed.weight.shape[1] ** 0.5
        x = x + self.frontend.positions.index_select(0, positions[past:])
        keys, values = [], []
        for index, layer in enumerate(self.stack.layers):
            attention, h = layer.self_attn, layer.self_attn_layer_norm(x)
            key = torch.cat([past_key[index], attention.split(attention.k_proj(h))], dim=2)
            value = torch.cat([past_value[index], attention.split(attention.v_proj(h))], dim=2)
            scores = attention.split(attention.q_proj(h)) @ key.transpose(-1, -2) * attention.scale
            mixed = torch.softmax(scores.masked_fill(hidden, -1e9), dim=-1) @ value
            x = x + attention.output_proj(mixed.transpose(1, 2).flatten(2))
            x = x + conditioning[:, index, None]
            x = x + layer.ffn(layer.ffn_layer_norm(x))
            keys.append(key)
            values.append(value)
        last = self.stack.layer_norm(x[:, -1])
        logits = F.linear(last, self.frontend.embed.weight, self.no_bias)
        return logits, torch.stack(keys), torch.stack(values)


@dataclass(frozen=True)
class GraphSpec:
    """A module to trace with example inputs, and the dynamic axes of its inputs and outputs."""

    name: str
    module: nn.Module
    inputs: tuple
    input_axes: dict
    output_axes: dict


def export_graphs(encoder: Encoder, decoder: Decoder, folder: Path) -> None:
    """Writes encoder.onnx, decoder-conditioning.onnx and decoder-step.onnx, large weights as int8 or f16."""
    for spec in [encoder_spec(encoder), *decoder_specs(decoder)]:
        model = store_small(traced(spec))
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, folder / f"{spec.name}.onnx")


def encoder_spec(encoder: Encoder) -> GraphSpec:
    ids = torch.full((2, 3), 5)
    return GraphSpec(
        "encoder",
        EncoderGraph(encoder),
        (ids, torch.ones_like(ids)),
        {"input_ids": {0: "n", 1: "length"}, "attention_mask": {0: "n", 1: "length"}},
        {"embeddings": {0: "n"}},
    )


def decoder_specs(decoder: Decoder, shared_head: bool = True) -> list[GraphSpec]:
    layers, heads = len(decoder.decoder.layers), decoder.decoder.layers[0].self_attn.heads
    dim = decoder.decoder_frontend.embed.embedding_dim
    ids = torch.full((2, 3), 5)
    past = torch.zeros(layers, 2, heads, 4, dim // heads)
    return [
        GraphSpec(
            "decoder-conditioning",
            ConditioningGraph(decoder),
            (torch.zeros(2, dim),),
            {"embeddings": {0: "n"}},
            {"conditioning": {0: "n"}},
        ),
        GraphSpec(
            "decoder-step",
            StepGraph(decoder, shared_head),
            (ids, torch.zeros(2, layers, dim), past, past, torch.arange(2)),
            {
                "input_ids": {0: "n", 1: "t"},
                "conditioning": {0: "n"},
                "past_key": {1: "n_past", 3: "past"},
                "past_value": {1: "n_past", 3: "past"},
                "beam_index": {0: "n"},
            },
            {"logits": {0: "n"}, "present_key": {1: "n", 3: "total"}, "present_value": {1: "n", 3: "total"}},
        ),
    ]


def traced(spec: GraphSpec) -> onnx.ModelProto:
    """The graph with its weights in memory; it passes through a folder because one message holds no more than 2 GB."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            spec.module.eval(),
            spec.inputs,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(spec.input_axes),
            output_names=list(spec.output_axes),
            dynamic_axes=spec.input_axes | spec.output_axes,
            do_constant_folding=True,
        )
        return onnx.load(path)


def store_small(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces large f32 initializers by int8 with a scale a row or column, or by f16, where that loses nothing.

    Plain Cast and Mul nodes restore them, which ONNX Runtime folds once when it loads the graph.
    """
    added, nodes = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        name, array = tensor.name, numpy_helper.to_array(tensor)
        if array.size < STORED_SMALL:
            continue
        if found := as_int8(array):
            values, scale = found
            added.append(numpy_helper.from_array(scale, f"{name}.scale"))
            tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.int8"))
            nodes.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.whole"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [f"{name}.whole", f"{name}.scale"], [name]))
        elif np.array_equal(array.astype(np.float16).astype(np.float32), array):
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.f16"))
            nodes.append(helper.make_node("Cast", [f"{name}.f16"], [name], to=TensorProto.FLOAT))
    model.graph.initializer.extend(added)
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def as_int8(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """int8 values and f32 scales whose product is the matrix exactly, a scale a row or a column; None where there are none."""
    if array.ndim != 2:
        return None
    for axis in (1, 0):
        scale = (np.abs(array).max(axis=axis, keepdims=True) / np.float32(127)).astype(np.float32)
        scale[scale == 0] = 1
        values = np.round(array / scale)
        if np.abs(values).max() <= 127 and np.array_equal(values.astype(np.float32) * scale, array):
            return values.astype(np.int8), scale
    return None
