"""`python -m noema_training.open_graphs FOLDER`: the space's graphs with every weight left open, an input of any size.

One such set runs every conformance case of the SONAR architecture with at most LAYERS layers a tower (`src/engine/sonar-graphs`).
The graphs are those of `graphs.py`, traced from the same modules; a case with fewer layers gives zeros for the last ones: a
pre-norm residual layer whose output projections are zero hands on its input unchanged.
"""

import io
import sys
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from .graphs import OPSET, ConditioningGraph, EncoderGraph, StepGraph
from .sonar import Decoder, Encoder

# The depth of SONAR's towers (sonar.md §1).
LAYERS = 24


def export_open_graphs(folder: Path) -> None:
    """Writes the three graphs under their usual names."""
    vocabulary, dim, heads, length = 7, 8, 2, 9
    encoder = Encoder(vocabulary, dim, LAYERS, heads, 4, length)
    decoder = Decoder(vocabulary, dim, LAYERS, heads, 4, length)
    ids, past = torch.full((2, 3), 5), torch.zeros(LAYERS, 2, heads, 4, dim // heads)
    sentence = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    save_open(EncoderGraph(encoder.eval()), heads, sentence, ["embeddings"], folder / "encoder.onnx")
    save_open(
        ConditioningGraph(decoder.eval()),
        None,
        {"embeddings": torch.zeros(2, dim)},
        ["conditioning"],
        folder / "decoder-conditioning.onnx",
    )
    step = {
        "input_ids": ids,
        "conditioning": torch.zeros(2, LAYERS, dim),
        "past_key": past,
        "past_value": past,
        "beam_index": torch.arange(2),
    }
    outputs = ["logits", "present_key", "present_value"]
    save_open(StepGraph(decoder.eval()), heads, step, outputs, folder / "decoder-step.onnx")


class OpenWeights(nn.Module):
    """A graph whose parameters, position table and, where it has attention, number of heads are inputs after its own ones."""

    def __init__(self, graph: nn.Module, inputs: int):
        super().__init__()
        self.graph = graph
        self.inputs = inputs
        named = [*graph.named_parameters(), *graph.named_buffers()]
        self.names = [name for name, _ in named]
        self.weights = [weight.detach() for _, weight in named]

    def forward(self, *tensors: Tensor):
        given, weights, heads = (
            tensors[: self.inputs],
            tensors[self.inputs : self.inputs + len(self.names)],
            tensors[self.inputs + len(self.names) :],
        )
        for name, weight in zip(self.names, weights, strict=True):
            owner, _, leaf = name.rpartition(".")
            part = self.graph.get_submodule(owner)
            (part._parameters if leaf in part._parameters else part._buffers)[leaf] = weight
        if heads:
            for part in self.graph.modules():
                if hasattr(part, "self_attn"):
                    part.self_attn.heads = heads[0]
        return self.graph(*given)


def save_open(
    graph: nn.Module, heads: int | None, inputs: dict[str, Tensor], outputs: list[str], path: Path
) -> None:
    """Exports by tracing. A weight's input has the reference's name of the tensor; no input and no output has a fixed size."""
    module = OpenWeights(graph, len(inputs))
    names = [reference_name(name) for name in module.names]
    tensors = inputs | dict(zip(names, module.weights, strict=True))
    if heads is not None:
        tensors["heads"] = torch.tensor(heads)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(tensors.values()),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(tensors),
            output_names=outputs,
            dynamic_axes={name: list(range(tensor.ndim)) for name, tensor in tensors.items()},
        )
    model = without_names_and_sizes(onnx.load_from_string(buffer.getvalue()))
    if model.graph.initializer:
        raise ValueError(f"{path.name} has weights of its own")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def reference_name(name: str) -> str:
    """A parameter's name inside one of the graph modules -> its name in a SONAR checkpoint."""
    for inside, reference in (
        ("encoder.", ""),
        ("decoder.", ""),
        ("frontend.", "decoder_frontend."),
        ("stack.", "decoder."),
    ):
        if name.startswith(inside):
            return reference + name[len(inside) :]
    return name


def without_names_and_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Short names for what lies between inputs and outputs (half of the file), and no sizes of the model it was traced with."""
    graph = model.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    short: dict[str, str] = {}
    for node in graph.node:
        node.name = node.doc_string = ""
        for values in (node.input, node.output):
            for i, value in enumerate(values):
                if value and value not in kept:
                    values[i] = short.setdefault(value, f"v{len(short)}")
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            axis.Clear()
    return model


if __name__ == "__main__":
    export_open_graphs(Path(sys.argv[1]))
