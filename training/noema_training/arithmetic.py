"""Multiply-adds of a generated sentence: of the default way of mini, and of the token-level yardstick.

Counted from the models' sizes: the matrices, the heads and the products of attention, each once a token, a concept or a sentence, as a
runtime computes them that keeps keys and values. Norms, activations and sampling are left out.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from .base_lcm import BaseLcm
from .space import Space
from .token_lm import TokenLm


def matrices(module: nn.Module) -> int:
    """Elements of the matrices of a module, embeddings left out: its multiply-adds a row."""
    embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    return sum(p.numel() for p in module.parameters() if p.ndim == 2 and id(p) not in embeddings)


def attention(dim: int, layers: int, keys: float) -> float:
    """Scores and mixing of one query in each layer."""
    return 2 * dim * layers * keys


def token_level(model: TokenLm, pieces: float, before: int) -> float:
    """Of a sentence of so many pieces, and the end of it, after as many sentences of that length."""
    dim, layers = model.embed.embedding_dim, len(model.layers.layers)
    keys = before * (pieces + 1) + (pieces + 1) / 2
    return (pieces + 1) * (matrices(model) + model.embed.weight.numel() + attention(dim, layers, keys))


def predicted(model: BaseLcm, before: int) -> float:
    """Of the concept after so many."""
    return matrices(model) + attention(model.frontend.pre_linear.out_features, len(model.lcm.layers), before)


def decoded(space: Space, pieces: float) -> float:
    """Of a concept's words, and the end of the sentence, the likeliest piece each time; two rows, start and language, come before."""
    decoder, rows = space.decoder, pieces + 2
    once = sum(matrices(layer.encoder_decoder_attn) for layer in decoder.decoder.layers)
    each = matrices(decoder) - once + attention(space.sizes["dim"], space.sizes["layers"], (rows + 1) / 2)
    return once + rows * each + (pieces + 1) * decoder.decoder_frontend.embed.weight.numel()


def encoded(space: Space, pieces: float) -> float:
    """Of a sentence's vector; language and end of sentence are two pieces more."""
    tokens = pieces + 2
    return tokens * (matrices(space.encoder) + attention(space.sizes["dim"], space.sizes["layers"], tokens))


def sentence_arithmetic(work: Path, manifest: dict, before: int = 10) -> dict:
    """Multiply-adds a sentence, by name, with the pieces of a held-out sentence and the sentences before it.

    Empty without a Base-LCM or without work/token-lm.pt, work/space.pt.
    """
    entry = manifest["conceptModels"].get("base-lcm")
    saved = {name: work / f"{name}.pt" for name in ("token-lm", "space")}
    if entry is None or not all(path.exists() for path in saved.values()):
        return {}
    sizes = {name: torch.load(path, map_location="cpu", mmap=True)["sizes"] for name, path in saved.items()}
    pieces = float(np.diff(np.load(work / "documents.valid.npz")["starts"]).mean())
    with torch.device("meta"):
        yardstick, space = TokenLm(**sizes["token-lm"]), Space(**sizes["space"])
        model = BaseLcm(**entry["architecture"])
    drafts = entry["decoding"]["text"]["drafts"]
    parts = {
        "token-lm": token_level(yardstick, pieces, before),
        "base-lcm: the concept": predicted(model, before),
        "base-lcm: its likeliest words": decoded(space, pieces),
        f"base-lcm: {drafts} drafts of its words": drafts * decoded(space, pieces),
        "base-lcm: reading the kept one again": encoded(space, pieces),
    }
    return {"pieces": pieces, "before": before, "multiply_adds": parts}
