"""The exported model folder run with ONNX Runtime: what the browser computes, in Python."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor

from .base_lcm import BaseLcm
from .batches import pad
from .config import EOS
from .diffusion import Decoding
from .drafts import least_faulty
from .one_tower import OneTower
from .quant_lcm import QUANT_LCMS, QuantLcm, Refinement
from .search import ROUNDS, Found, beam_search, nearest_first
from .tokenizer import load_tokenizer
from .two_tower import TwoTower


class ExportedSpace:
    """Encoder and decoder of a model folder."""

    def __init__(self, folder: Path):
        self.manifest = json.loads((folder / "manifest.json").read_text())
        space = self.manifest["space"]
        self.tokenizer = load_tokenizer(folder)
        self.languages = {entry["code"]: entry["token"] for entry in space["languages"]}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        open_graph = lambda name: onnxruntime.InferenceSession(folder / name, options)  # noqa: E731
        self.encoder = open_graph(space["encoder"]["file"])
        self.conditioning = open_graph(space["decoder"]["conditioning"])
        self.step = open_graph(space["decoder"]["step"])
        self.decoder = space["decoder"]

    def encode(self, sentences: list[str], language: str = "eng_Latn", batch: int = 64) -> np.ndarray:
        """Sentences -> embeddings [n, dim]; what lies beyond the space's longest is cut off."""
        token = self.languages[language]
        most = self.manifest["space"]["maxTokens"] - 2
        rows = [np.array([token, *e.ids[:most], EOS]) for e in self.tokenizer.encode_batch(sentences)]
        order = np.argsort([len(row) for row in rows], kind="stable")
        out = np.zeros((len(rows), self.manifest["space"]["dim"]), np.float32)
        for start in range(0, len(rows), batch):
            picked = order[start : start + batch]
            ids = pad([rows[i] for i in picked], -1).numpy()
            mask = (ids >= 0).astype(np.int64)
            feed = {"input_ids": np.maximum(ids, 0), "attention_mask": mask}
            out[picked] = self.encoder.run(["embeddings"], feed)[0]
        return out

    def decode_ids(
        self,
        embeddings: np.ndarray,
        language: str,
        max_pieces: int = 60,
        choose: Callable[[np.ndarray], np.ndarray] = lambda logits: logits.argmax(1),
    ) -> list[list[int]]:
        """Pieces of one batch without prefix and `</s>`; `choose` takes them by logits [n, vocabulary], the likeliest when left out."""
        n = len(embeddings)
        conditioning = self.conditioning.run(None, {"embeddings": embeddings.astype(np.float32)})[0]
        shape = (self.decoder["layers"], n, self.decoder["heads"], 0, self.decoder["headDim"])
        key = value = np.zeros(shape, np.float32)
        ids = np.tile([[EOS, self.languages[language]]], (n, 1)).astype(np.int64)
        result, open_rows = [[] for _ in range(n)], np.ones(n, bool)
        for _ in range(max_pieces):
            feed = {"input_ids": ids, "conditioning": conditioning, "past_key": key, "past_value": value}
            logits, key, value = self.step.run(None, feed | {"beam_index": np.arange(n)})
            logits[:, 0] = -np.inf
            chosen = choose(logits)
            open_rows &= chosen != EOS
            if not open_rows.any():
                break
            for row in np.flatnonzero(open_rows):
                result[row].append(int(chosen[row]))
            ids = chosen[:, None].astype(np.int64)
        return result

    def decode(self, embeddings: np.ndarray, language: str = "eng_Latn", batch: int = 128) -> list[str]:
        """Embeddings [n, dim] -> greedy text."""
        texts = []
        for start in range(0, len(embeddings), batch):
            rows = self.decode_ids(embeddings[start : start + batch], language)
            texts += [self.tokenizer.decode(row).strip() for row in rows]
        return texts

    def found(
        self, embeddings: np.ndarray, language: str, beam: int | None = None, rounds: int = ROUNDS
    ) -> list[list[Found]]:
        """Of each embedding [n, dim] what is found in the manifest's way, best first.

        `beam`: a concept model's for its predictions. `rounds`: how often the nearest is searched for again.
        """
        way = self.manifest["space"].get("decoding", {"beam": 1, "nearest": False})
        beam = beam or way["beam"]
        found = beam_search(self, embeddings, language, beam, prefix=not way["nearest"])
        return nearest_first(self, found, embeddings, language, beam, rounds) if way["nearest"] else found

    def say(self, embeddings: np.ndarray, language: str, beam: int | None = None) -> list[str]:
        """The best that is `found`."""
        return [best.text for best, *_ in self.found(embeddings, language, beam)]

    def drawn(
        self, embeddings: np.ndarray, text: dict, random: torch.Generator, language: str = "eng_Latn"
    ) -> list[list[str]]:
        """Of each embedding [n, dim] the sentences drawn by the manifest's `text`, that with the highest score first."""
        steps: list[Tensor] = []

        def choose(logits: np.ndarray) -> np.ndarray:
            found = torch.from_numpy(logits)
            probabilities = nucleus((found / text["temperature"]).softmax(-1), text["topP"])
            pieces = torch.multinomial(probabilities, 1, generator=random)
            steps.append(found.log_softmax(-1).gather(1, pieces)[:, 0])
            return pieces[:, 0].numpy()

        count = text["drafts"]
        rows = self.decode_ids(np.repeat(embeddings, count, axis=0), language, choose=choose)
        logs = torch.stack(steps, 1)
        scores = [logs[i, : len(row) + 1].sum().item() / (len(row) + 1) ** 0.5 for i, row in enumerate(rows)]
        orders = (
            start + np.argsort(scores[start : start + count])[::-1] for start in range(0, len(rows), count)
        )
        return [[self.tokenizer.decode(rows[i]).strip() for i in order] for order in orders]

    def draft(
        self,
        embedding: np.ndarray,
        text: dict,
        random: torch.Generator,
        before: list[str],
        language: str = "eng_Latn",
    ) -> str:
        """Of several sentences drawn for one embedding [dim] by the manifest's `text` that which the browser keeps after `before`."""
        drafts = self.drawn(embedding[None], text, random, language)[0]
        return drafts[least_faulty(drafts, before)[0]]


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero but for the likeliest pieces, each with at most the share `top_p` before it [n, vocabulary]."""
    ordered, places = probabilities.sort(dim=-1, descending=True)
    kept = ordered.cumsum(-1) - ordered <= top_p
    return torch.zeros_like(probabilities).scatter(-1, places, ordered * kept)


def load_base(folder: Path) -> BaseLcm:
    """The exported Base-LCM (f16 weights computed in f32)."""
    return _load(BaseLcm, folder, "base-lcm")[0]


def load_two_tower(folder: Path) -> tuple[TwoTower, Decoding]:
    """The exported Two-Tower model (f16 weights computed in f32) and its default settings."""
    model, entry = _load(TwoTower, folder, "two-tower")
    return model, _decoding(entry)


def load_one_tower(folder: Path) -> tuple[OneTower, Decoding]:
    """The exported One-Tower model (f16 weights computed in f32) and its default settings."""
    model, entry = _load(OneTower, folder, "one-tower")
    return model, _decoding(entry)


def load_quant(folder: Path, name: str) -> tuple[QuantLcm, Refinement]:
    """The exported Quant-LCM of this name (f16 weights computed in f32) and its default settings."""
    model, entry = _load(QUANT_LCMS[name], folder, name)
    defaults = entry["decoding"]
    settings = {"guidance_scale": defaults["guidanceScale"], "temperature": defaults["temperature"]}
    return model, Refinement(**settings, top_k=defaults["topK"])


def _load(kind: type, folder: Path, name: str):
    entry = json.loads((folder / "manifest.json").read_text())["conceptModels"][name]
    model = kind(**entry["architecture"])
    weights = load_file(folder / entry["file"])
    model.load_state_dict({name: tensor.to(torch.float32) for name, tensor in weights.items()})
    return model.eval().requires_grad_(False), entry


def _decoding(entry: dict) -> Decoding:
    defaults = entry["decoding"]
    return Decoding(
        steps=defaults["steps"],
        guidance_scale=defaults["guidanceScale"],
        guidance_rescale=defaults["guidanceRescale"],
        initial_noise_scale=defaults["initialNoiseScale"],
        epsilon_scaling=defaults["epsilonScaling"],
    )
