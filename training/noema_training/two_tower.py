"""Two-Tower diffusion concept model under the reference's tensor names (lcm.md §3).

A causal contextualizer reads clean normalised sentence vectors; a denoiser predicts the clean next vector from a noisy one,
attending to a zero vector and the context before it. Denoiser self-attention sees one position only, where attention is
output_proj(v_proj(x)), so its query and key projections have no effect and no parameters here (§3.3).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIMESTEP_FREQUENCIES = 256


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + 1e-5) · w."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, eps=1e-5).to(x.dtype) * self.weight


class SwiGLU(nn.Module):
    """W_o((W_i x + b_i) ⊙ SiLU(W_g x + b_g)) + b_o."""

    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.gate_proj = nn.Linear(dim, inner)
        self.inner_proj = nn.Linear(dim, inner)
        self.output_proj = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_proj(self.inner_proj(x) * F.silu(self.gate_proj(x)))


def rotary(length: int, head_dim: int, device=None) -> tuple[Tensor, Tensor]:
    """Cosines and sines [length, head_dim / 2], theta 10000."""
    frequencies = 10000 ** (-torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim)
    angles = torch.arange(length, device=device)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates interleaved pairs (x[2i], x[2i+1]) of [..., length, head_dim]."""
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class ContextAttention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v_proj, self.output_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        angles = rotary(x.shape[1], q.shape[-1], x.device)
        q, k = rotate(q, *angles).to(v.dtype), rotate(k, *angles).to(v.dtype)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output_proj(mixed.transpose(1, 2).flatten(2))


class ContextLayer(nn.Module):
    def __init__(self, dim: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn_layer_norm = RMSNorm(dim)
        self.self_attn = ContextAttention(dim, heads)
        self.ffn_layer_norm = RMSNorm(dim)
        self.ffn = SwiGLU(dim, inner)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.self_attn(self.self_attn_layer_norm(x)))
        return x + self.dropout(self.ffn(self.ffn_layer_norm(x)))


class Contextualizer(nn.Module):
    def __init__(self, dim: int, layers: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(ContextLayer(dim, heads, inner, dropout) for _ in range(layers))
        self.layer_norm = RMSNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.layer_norm(x)


class PointAttention(nn.Module):
    """Self-attention of a position that sees only itself."""

    def __init__(self, dim: int):
        super().__init__()
        self.v_proj, self.output_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_proj(self.v_proj(x))


class CrossAttention(nn.Module):
    """Attention of denoiser rows over [zero, c_1 … c_n]."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v_proj, self.output_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """x [n, rows, d], memory [n, keys, d], mask bool broadcastable to [n, heads, rows, keys] (true = seen)."""
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.q_proj(x)), split(self.k_proj(memory)), split(self.v_proj(memory))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output_proj(mixed.transpose(1, 2).flatten(2))


class Projection(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class Modulator(Projection):
    """fc(SiLU(t)) [..., 9d], zero at initialisation: shift, scale, gate of each of the three blocks (§3.3)."""

    def __init__(self, dim: int):
        super().__init__(dim, 9 * dim)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, time: Tensor) -> Tensor:
        return self.fc(F.silu(time))


class DenoiserLayer(nn.Module):
    def __init__(self, dim: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.self_attn_layer_norm = RMSNorm(dim)
        self.self_attn = PointAttention(dim)
        self.cross_attention_layer_norm = RMSNorm(dim)
        self.cross_attention = CrossAttention(dim, heads)
        self.ffn_layer_norm = RMSNorm(dim)
        self.ffn = SwiGLU(dim, inner)
        self.modulator = Modulator(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, time: Tensor, rows: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """`time` [steps, d] embeds the distinct timesteps, `rows` [n, rows] says which one each row has."""
        modulation = F.embedding(rows, self.modulator(time))
        shift, scale, gate, shift2, scale2, gate2, shift3, scale3, gate3 = modulation.chunk(9, dim=-1)
        x = x + gate * self.dropout(self.self_attn(self.self_attn_layer_norm(x) * (1 + scale) + shift))
        h = self.cross_attention_layer_norm(x) * (1 + scale2) + shift2
        x = x + gate2 * self.dropout(self.cross_attention(h, memory, mask))
        return x + gate3 * self.dropout(self.ffn(self.ffn_layer_norm(x) * (1 + scale3) + shift3))


class TimestepEmbedding(nn.Module):
    """fc2(SiLU(fc1([cos(t f), sin(t f)]))) with integer t (§3.2)."""

    def __init__(self, dim: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(TIMESTEP_FREQUENCIES, dim), nn.Linear(dim, dim)
        for layer in (self.fc1, self.fc2):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, timesteps: Tensor) -> Tensor:
        """[...] -> [..., d]."""
        half = TIMESTEP_FREQUENCIES // 2
        frequencies = torch.exp(torch.arange(half, device=timesteps.device) * (-math.log(10000) / half))
        angles = timesteps[..., None].float() * frequencies
        v = torch.cat([angles.cos(), angles.sin()], dim=-1).to(self.fc1.weight.dtype)
        return self.fc2(F.silu(self.fc1(v)))


class Denoiser(nn.Module):
    def __init__(self, sonar_dim: int, dim: int, layers: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.embed_time = TimestepEmbedding(dim)
        self.initial_proj = Projection(sonar_dim, dim)
        self.layers = nn.ModuleList(DenoiserLayer(dim, heads, inner, dropout) for _ in range(layers))
        self.layer_norm = RMSNorm(dim)
        self.final_proj = Projection(dim, sonar_dim)

    def forward(self, noisy: Tensor, timesteps: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """noisy [n, rows, sonar_dim], timesteps [n, rows], context [n, keys, d] -> clean [n, rows, sonar_dim].

        The zero vector is put before the context here; `mask` covers 1 + keys columns.
        """
        memory = F.pad(context, (0, 0, 1, 0))
        steps, rows = timesteps.unique(return_inverse=True)
        x, time = self.initial_proj(noisy), self.embed_time(steps)
        for layer in self.layers:
            x = layer(x, time, rows, memory, mask)
        return self.final_proj(self.layer_norm(x))


class Normalizer(nn.Module):
    """(e - center) / scale and back (lcm.md §1)."""

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def normalize(self, x: Tensor) -> Tensor:
        return (x - self.center) / self.scale

    def denormalize(self, x: Tensor) -> Tensor:
        return x * self.scale + self.center


class Frontend(nn.Module):
    def __init__(self, sonar_dim: int, dim: int):
        super().__init__()
        self.pre_linear = nn.Linear(sonar_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.pre_linear(x)


class TwoTower(nn.Module):
    """The whole model; sizes are the manifest's `architecture` keys."""

    def __init__(
        self,
        sonar_dim: int,
        model_dim: int,
        heads: int,
        context_layers: int,
        denoiser_layers: int,
        ffn_inner: int,
        max_seq_len: int = 512,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.max_seq_len = max_seq_len
        self.sonar_normalizer = Normalizer(sonar_dim)
        self.encoder_frontend = Frontend(sonar_dim, model_dim)
        self.context_encoder = Contextualizer(model_dim, context_layers, heads, ffn_inner, dropout)
        self.denoiser = Denoiser(sonar_dim, model_dim, denoiser_layers, heads, ffn_inner, dropout)

    def contextualize(self, normalized: Tensor) -> Tensor:
        """Clean normalised concepts [n, length, sonar_dim] -> context [n, length, d]."""
        return self.context_encoder(self.encoder_frontend(normalized))

    def forward(self, normalized: Tensor, noisy: Tensor, timesteps: Tensor, mask: Tensor) -> Tensor:
        """Training pass: `mask` [..., rows, 1 + length] says which of {zero, c_1 …} each noisy row sees."""
        return self.denoiser(noisy, timesteps, self.contextualize(normalized), mask)


def context_mask(rows: int, length: int, source_length: int = 0, device=None) -> Tensor:
    """bool [rows, 1 + length]: row j sees zero and the first source_length + j concepts (§3.4)."""
    return torch.ones(rows, length + 1, dtype=torch.bool, device=device).tril(source_length)
