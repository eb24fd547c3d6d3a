"""One transformer over unfinished and clean concepts in turn, x_1^t x_1^0 x_2^t x_2^0 … (arXiv 2412.08821 §2.3.3; lcm.md §§6, 7).

A concept, joined to the embedding of its step (how far it is from clean), goes through a linear layer; a learned position is added, the
same for both forms; each position sees the clean concepts before its own, and itself. The output at an unfinished position belongs to
its concept.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .two_tower import Normalizer, Projection, RMSNorm, SwiGLU

Cache = list[tuple[Tensor, Tensor]]


class InterleavedFrontend(nn.Module):
    """pre_linear([x; embedding of its step]) + learned position; `name` is that of the embedding's tensors."""

    def __init__(self, sonar_dim: int, dim: int, name: str, embedding: nn.Module, width: int, positions: int):
        super().__init__()
        self.sonar_normalizer = Normalizer(sonar_dim)
        self.name = name
        self.add_module(name, embedding)
        self.pre_linear = nn.Linear(sonar_dim + width, dim)
        self.pos_encoder = nn.Embedding(positions, dim)
        nn.init.normal_(self.pos_encoder.weight, std=0.02)

    def forward(self, x: Tensor, steps: Tensor, positions: Tensor) -> Tensor:
        """x [n, rows, sonar_dim], steps [n, rows], positions [rows] -> [n, rows, d]."""
        embedded = self.get_submodule(self.name)(steps)
        return self.pre_linear(torch.cat([x, embedded], dim=-1)) + self.pos_encoder(positions)


class MaskedAttention(nn.Module):
    """Self-attention under a mask, over rows in hand and, where there are any, cached ones before them."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v_proj, self.output_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [n, rows, d], mask bool broadcastable to [n, heads, rows, keys] -> output [n, rows, d], all keys and values."""
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output_proj(mixed.transpose(1, 2).flatten(2)), (k, v)


class MaskedLayer(nn.Module):
    def __init__(self, dim: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn_layer_norm = RMSNorm(dim)
        self.self_attn = MaskedAttention(dim, heads)
        self.ffn_layer_norm = RMSNorm(dim)
        self.ffn = SwiGLU(dim, inner)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        attended, cache = self.self_attn(self.self_attn_layer_norm(x), mask, past)
        x = x + self.dropout(attended)
        return x + self.dropout(self.ffn(self.ffn_layer_norm(x))), cache


class MaskedStack(nn.Module):
    def __init__(self, dim: int, layers: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(MaskedLayer(dim, heads, inner, dropout) for _ in range(layers))
        self.layer_norm = RMSNorm(dim)

    def forward(self, x: Tensor, mask: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        cache = []
        for index, layer in enumerate(self.layers):
            x, entry = layer(x, mask, past[index] if past else None)
            cache.append(entry)
        return self.layer_norm(x), cache


class InterleavedModel(nn.Module):
    """The tower between a frontend and an output layer.

    `clean_step` is the step whose embedding clean concepts carry. There is one position more than `max_seq_len`, for a concept after
    the last.
    """

    def __init__(
        self,
        frontend: InterleavedFrontend,
        clean_step: int,
        outputs: int,
        *,
        model_dim: int,
        heads: int,
        layers: int,
        ffn_inner: int,
        max_seq_len: int,
        dropout: float,
    ):
        super().__init__()
        self.max_seq_len, self.clean_step = max_seq_len, clean_step
        self.frontend = frontend
        self.lcm = MaskedStack(model_dim, layers, heads, ffn_inner, dropout)
        self.postnet = Projection(model_dim, outputs)

    @property
    def sonar_normalizer(self) -> Normalizer:
        return self.frontend.sonar_normalizer

    def forward(
        self, clean: Tensor, unfinished: Tensor, steps: Tensor, alone: Tensor | None = None
    ) -> Tensor:
        """Training pass: clean and unfinished [n, length, sonar_dim], steps [n, length] -> outputs [n, length, width].

        Where `alone` [n, length] is true, the unfinished position sees nothing but itself.
        """
        length = clean.shape[1]
        both = torch.stack([unfinished, clean], dim=2).flatten(1, 2)
        times = torch.stack([steps, torch.full_like(steps, self.clean_step)], dim=2).flatten(1)
        positions = torch.arange(length, device=clean.device).repeat_interleave(2)
        mask = interleaved_mask(length, device=clean.device)
        if alone is not None:
            itself = torch.eye(2 * length, dtype=torch.bool, device=clean.device)
            rows = torch.stack([alone, torch.zeros_like(alone)], dim=2).flatten(1)
            mask = torch.where(rows[:, :, None], itself, mask)[:, None]
        return self.postnet(self.lcm(self.frontend(both, times, positions), mask)[0][:, ::2])

    def read(self, clean: Tensor) -> Cache:
        """Keys and values per layer of clean normalised concepts [n, length, sonar_dim]: all that later positions see of them."""
        positions = torch.arange(clean.shape[1], device=clean.device)
        times = torch.full(clean.shape[:2], self.clean_step, device=clean.device)
        mask = torch.ones(len(positions), len(positions), dtype=torch.bool, device=clean.device).tril()
        return self.lcm(self.frontend(clean, times, positions), mask)[1]

    def predict(self, unfinished: Tensor, step: int, cache: Cache, conditional: bool = True) -> Tensor:
        """Output for the unfinished concept [n, 1, sonar_dim] that follows those in the cache, which it does not enter."""
        length = cache[0][0].shape[2]
        mask = torch.full((1, length + 1), conditional, device=unfinished.device)
        mask[:, -1] = True
        times = torch.full(unfinished.shape[:2], step, device=unfinished.device)
        position = torch.tensor([length], device=unfinished.device)
        return self.postnet(self.lcm(self.frontend(unfinished, times, position), mask, cache)[0])


def interleaved_mask(length: int, device=None) -> Tensor:
    """bool [2 length, 2 length] over x_1^t x_1^0 x_2^t …: clean concepts before one's own, and oneself."""
    concept = torch.arange(length, device=device).repeat_interleave(2)
    clean = torch.arange(2 * length, device=device) % 2 == 1
    earlier = clean[None] & (concept[None] < concept[:, None])
    return earlier | torch.eye(2 * length, dtype=torch.bool, device=device)
