"""SONAR-style sentence encoder and decoder under the reference's tensor names.

Source: sonar.md §§2, 3, 5. Pre-norm Transformers with ReLU feed-forward networks, sinusoidal positions that
start at 2, embeddings times sqrt(d), a mean-pooled encoder and a decoder that attends to one vector. Attention over one key always
has weight 1, so cross attention is the constant W_o(W_v e + b_v) + b_o: its query and key projections and its
layer norm have no effect and no parameters here.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIRST_POSITION = 2


def sinusoids(length: int, dim: int) -> Tensor:
    """Position table [length, dim]: sines then cosines, exponent divided by dim/2 - 1 (sonar.md §2)."""
    half = dim // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1)))
    angles = torch.arange(FIRST_POSITION, FIRST_POSITION + length)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Attention(nn.Module):
    """Multi-head attention with biases on all projections."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)

    @property
    def scale(self):
        """1 / sqrt(head dim), from what an open graph has as inputs (`open_graphs.py`)."""
        return (self.q_proj.weight.shape[0] / self.heads) ** -0.5

    def split(self, x: Tensor) -> Tensor:
        """[n, length, dim] -> [n, heads, length, head_dim]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x [n, length, dim]; mask broadcastable to [n, heads, length, length], added to the scores."""
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        if x.is_cuda:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:  # the plain products are faster than the fused CPU kernel at sentence length
            scores = q @ k.transpose(-1, -2) * self.scale
            mixed = torch.softmax(scores if mask is None else scores + mask, dim=-1).to(v.dtype) @ v
        return self.output_proj(mixed.transpose(1, 2).flatten(2))


class SentenceAttention(nn.Module):
    """Cross attention over one sentence vector: a constant per sentence (sonar.md §3)."""

    def __init__(self, dim: int):
        super().__init__()
        self.v_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)

    def forward(self, vector: Tensor) -> Tensor:
        """[n, dim] -> [n, dim]."""
        return self.output_proj(self.v_proj(vector))


class FeedForward(nn.Module):
    """W2 ReLU(W1 x + b1) + b2."""

    def __init__(self, dim: int, inner: int):
        super().__init__()
        self.inner_proj = nn.Linear(dim, inner)
        self.output_proj = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.output_proj(F.relu(self.inner_proj(x)))


class Layer(nn.Module):
    """One pre-norm layer; `cross` adds the decoder's sentence attention between the two blocks."""

    def __init__(self, dim: int, heads: int, ffn: int, cross: bool, dropout: float):
        super().__init__()
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = Attention(dim, heads)
        if cross:
            self.encoder_decoder_attn = SentenceAttention(dim)
        self.ffn_layer_norm = nn.LayerNorm(dim)
        self.ffn = FeedForward(dim, ffn)
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None, conditioning: Tensor | None = None) -> Tensor:
        x = x + self.drop(self.self_attn(self.self_attn_layer_norm(x), mask))
        if conditioning is not None:
            x = x + conditioning[:, None]
        return x + self.drop(self.ffn(self.ffn_layer_norm(x)))

    def drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Stack(nn.Module):
    """Layers, and for the decoder their final norm (the encoder's is outside, as in the reference)."""

    def __init__(self, layers: int, dim: int, heads: int, ffn: int, cross: bool, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim, heads, ffn, cross, dropout) for _ in range(layers))
        if cross:
            self.layer_norm = nn.LayerNorm(dim)


class Frontend(nn.Module):
    """Scaled embeddings plus positions."""

    def __init__(self, vocabulary: int, dim: int, max_length: int):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embed.weight, std=dim**-0.5)
        self.register_buffer("positions", sinusoids(max_length, dim), persistent=False)

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        """ids [n, length] -> [n, length, dim]."""
        x = self.embed(ids) * self.embed.weight.shape[1] ** 0.5
        return x + self.positions[start : start + ids.shape[1]].to(x.dtype)


class Encoder(nn.Module):
    """Token ids -> one vector a sentence."""

    def __init__(self, vocabulary, dim, layers, heads, ffn, max_length=512, dropout=0.0):
        super().__init__()
        self.encoder_frontend = Frontend(vocabulary, dim, max_length)
        self.encoder = Stack(layers, dim, heads, ffn, False, dropout)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        """ids, attention_mask (1 = token) [n, length] -> embeddings [n, dim]."""
        x = self.encoder_frontend(ids)
        weights = attention_mask.to(x.dtype)
        mask = ((1 - weights) * -1e9)[:, None, None]
        for layer in self.encoder.layers:
            x = layer(x, mask)
        x = self.layer_norm(x) * weights[..., None]
        return x.sum(1) / (weights.sum(1, keepdim=True) + 1e-7)


class Decoder(nn.Module):
    """One vector and the tokens so far -> logits of the next token, head tied to the embedding."""

    def __init__(self, vocabulary, dim, layers, heads, ffn, max_length=512, dropout=0.0):
        super().__init__()
        self.decoder_frontend = Frontend(vocabulary, dim, max_length)
        self.decoder = Stack(layers, dim, heads, ffn, True, dropout)

    def conditioning(self, vectors: Tensor) -> Tensor:
        """[n, dim] -> [n, layers, dim]: what each layer adds for its sentence."""
        return torch.stack([layer.encoder_decoder_attn(vectors) for layer in self.decoder.layers], dim=1)

    def hidden(self, ids: Tensor, vectors: Tensor) -> Tensor:
        """ids [n, length], vectors [n, dim] -> final states [n, length, dim], causal."""
        x = self.decoder_frontend(ids)
        length = ids.shape[1]
        mask = torch.full((length, length), -1e9, device=ids.device, dtype=x.dtype).triu(1)
        conditioning = self.conditioning(vectors)
        for index, layer in enumerate(self.decoder.layers):
            x = layer(x, mask, conditioning[:, index])
        return self.decoder.layer_norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., dim] -> [..., vocabulary]."""
        return F.linear(hidden, self.decoder_frontend.embed.weight)

    def forward(self, ids: Tensor, vectors: Tensor) -> Tensor:
        return self.logits(self.hidden(ids, vectors))
