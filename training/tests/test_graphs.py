"""The exported graphs, with stored and with open weights, against the reference's golden vectors in ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from test_conformance import by_name, cases, check, fill, sonar_sizes

from noema_training.graphs import export_graphs
from noema_training.open_graphs import LAYERS
from noema_training.sonar import Decoder, Encoder, sinusoids

OPEN = Path(__file__).parents[2] / "src" / "engine" / "sonar-graphs"
MODEL = cases("sonar.json", "sonar_encode")[0]


def towers(case: dict) -> tuple[Encoder, Decoder]:
    sizes, model = sonar_sizes(case), case["model"]
    return fill(Encoder(**sizes, layers=model["encoder_layers"]), "E."), fill(
        Decoder(**sizes, layers=model["decoder_layers"]), "D."
    )


class Stored:
    """The graphs of a model folder."""

    def __init__(self, case: dict, folder: Path):
        self.layers = case["model"]["decoder_layers"]
        export_graphs(*towers(case), folder)
        self.sessions = {path.stem: onnxruntime.InferenceSession(path) for path in folder.glob("*.onnx")}

    def run(self, name: str, **inputs) -> list[np.ndarray]:
        return self.sessions[name].run(None, inputs)


class Open:
    """The conformance graphs with the case's weights as inputs and zeros for the layers it lacks."""

    def __init__(self, case: dict, _):
        self.layers = LAYERS
        encoder, decoder = towers(case)
        dim, heads = case["model"]["model_dim"], case["model"]["heads"]
        self.weights = {k: v.numpy() for k, v in (encoder.state_dict() | decoder.state_dict()).items()}
        self.weights |= {
            "heads": np.array(heads),
            "no_bias": np.zeros(case["model"]["vocab"], np.float32),
            "encoder_frontend.positions": sinusoids(22, dim).numpy(),
            "decoder_frontend.positions": sinusoids(20, dim).numpy(),
        }
        for tower in ("encoder", "decoder"):
            for name in [name for name in self.weights if name.startswith(f"{tower}.layers.0.")]:
                for layer in range(case["model"][f"{tower}_layers"], LAYERS):
                    empty = np.zeros_like(self.weights[name])
                    self.weights[name.replace("layers.0.", f"layers.{layer}.")] = empty
        self.sessions = {path.stem: onnxruntime.InferenceSession(path) for path in OPEN.glob("*.onnx")}

    def run(self, name: str, **inputs) -> list[np.ndarray]:
        session = self.sessions[name]
        weights = {
            entry.name: self.weights[entry.name] for entry in session.get_inputs() if entry.name not in inputs
        }
        return session.run(None, inputs | weights)


@pytest.mark.parametrize("graphs", [Stored, Open])
@pytest.mark.parametrize("case", cases("sonar.json", "sonar_encode"), ids=by_name)
def test_encoder_graph(case, graphs, tmp_path):
    ids = np.array(case["inputs"]["ids"])
    mask = (np.arange(ids.shape[1]) < np.array(case["inputs"]["lengths"])[:, None]).astype(np.int64)
    (embeddings,) = graphs(case, tmp_path).run("encoder", input_ids=ids, attention_mask=mask)
    check(torch.tensor(embeddings), np.ravel(case["expected"]["embeddings"]))


@pytest.mark.parametrize("graphs", [Stored, Open])
@pytest.mark.parametrize("case", cases("sonar.json", "sonar_logits"), ids=by_name)
def test_step_graph_token_by_token(case, graphs, tmp_path):
    graphs, model = graphs(case, tmp_path), case["model"]
    source = np.array(case["inputs"]["source_ids"])
    (vectors,) = graphs.run("encoder", input_ids=source, attention_mask=np.ones_like(source))
    (conditioning,) = graphs.run("decoder-conditioning", embeddings=vectors)
    heads = model["heads"]
    key = value = np.zeros((graphs.layers, 1, heads, 0, model["model_dim"] // heads), np.float32)
    rows = []
    for token in case["inputs"]["ids"][0]:
        logits, key, value = graphs.run(
            "decoder-step",
            input_ids=np.array([[token]]),
            conditioning=conditioning,
            past_key=key,
            past_value=value,
            beam_index=np.array([0]),
        )
        rows.append(logits[0])
    check(torch.tensor(np.stack(rows)), np.ravel(case["expected"]["logits"]))
