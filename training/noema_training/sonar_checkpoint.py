"""SONAR text encoders and decoders in the names of fairseq2, fairseq or Hugging Face -> the modules of `sonar.py` (sonar.md §5)."""

import re
from pathlib import Path

import torch
from torch import Tensor

from .concept_checkpoint import (
    CheckpointError,
    check_names_and_shapes,
    count_layers,
    read_checkpoint,
    shape_of,
)
from .sonar import Decoder, Encoder

TOWERS = {"encoder": Encoder, "decoder": Decoder}
MAX_TOKENS = 512
RENAMED = (
    (r"\.self_attn\.out_proj\.", ".self_attn.output_proj."),
    (r"\.encoder_attn\.out_proj\.", ".encoder_attn.output_proj."),
    (r"\.encoder_attn\.", ".encoder_decoder_attn."),
    (r"\.encoder_attn_layer_norm\.", ".encoder_decoder_attn_layer_norm."),
    (r"\.fc1\.", ".ffn.inner_proj."),
    (r"\.fc2\.", ".ffn.output_proj."),
    (r"(\.layers\.\d+)\.final_layer_norm\.", r"\1.ffn_layer_norm."),
)
# The head is tied, positions are computed, and attention over one vector needs no queries, keys or norm (sonar.md §3).
WITHOUT_EFFECT = re.compile(
    r"(final_proj|lm_head|output_projection)\.weight|(.*\.)?(embed_positions|pos_encoder)\..*|(.*\.)?version"
    r"|decoder\.layers\.\d+\.encoder_decoder_attn(\.[qk]_proj|_layer_norm)\.(weight|bias)"
)
# Rows of the embedding in fairseq's and Hugging Face's order <s>, <pad>, </s>, <unk> -> <pad>, <unk>, <s>, </s> (sonar.md §4).
SPECIAL_ROWS = [1, 3, 0, 2]


def load_tower(path: Path, tower: str, heads: int | None = None) -> Encoder | Decoder:
    """A checkpoint as a module; `heads` is 64 channels a head where it is not given."""
    tensors, reordered = reference_names(read_checkpoint(path), tower)
    embedding = f"{tower}_frontend.embed.weight"
    vocabulary, dim = shape_of(tensors, embedding, 2)
    ffn, _ = shape_of(tensors, f"{tower}.layers.0.ffn.inner_proj.weight", 2)
    heads = heads or max(1, dim // 64)
    if dim % heads:
        raise CheckpointError(f"{heads} heads do not divide {dim} channels")
    if reordered:
        tensors[embedding] = torch.cat([tensors[embedding][SPECIAL_ROWS], tensors[embedding][4:]])
    with torch.device("meta"):
        layers = count_layers(tensors, tower)
        module = TOWERS[tower](vocabulary, dim, layers, heads, ffn, MAX_TOKENS)
    check_names_and_shapes(tensors, {name: tuple(value.shape) for name, value in module.state_dict().items()})
    module = TOWERS[tower](vocabulary, dim, layers, heads, ffn, MAX_TOKENS)
    module.load_state_dict({name: value.float() for name, value in tensors.items()})
    return module.eval().requires_grad_(False)


def reference_names(tensors: dict[str, Tensor], tower: str) -> tuple[dict[str, Tensor], bool]:
    """The tensors that matter under fairseq2's names, and whether the special tokens are in the other order."""
    fairseq2 = any(name.endswith(f"{tower}_frontend.embed.weight") for name in tensors)
    other = "decoder" if tower == "encoder" else "encoder"
    result = {}
    for name, value in tensors.items():
        name = re.sub(r"^(model|m2m_100)\.", "", name)
        if name.startswith((f"{other}.", f"{other}_frontend.")):
            continue
        if not fairseq2:
            name = in_tower(name, tower)
            for pattern, replacement in RENAMED:
                name = re.sub(pattern, replacement, name)
        if not WITHOUT_EFFECT.fullmatch(name):
            result[name] = value
    return result, not fairseq2


def in_tower(name: str, tower: str) -> str:
    """A fairseq or Hugging Face name -> the same inside its tower, which a file with one tower alone leaves out."""
    bare = name.removeprefix(f"{tower}.")
    if bare in ("embed_tokens.weight", "shared.weight"):
        return f"{tower}_frontend.embed.weight"
    if bare.startswith("layers."):
        return f"{tower}.{bare}"
    if bare.startswith("layer_norm."):
        return bare if tower == "encoder" else f"decoder.{bare}"
    return bare
