"""Noise schedule and guided DDIM sampling of the next concept (lcm.md §4)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .two_tower import TwoTower

TRAIN_STEPS = 100
CLIP_NOISE = 100.0


@dataclass(frozen=True)
class Decoding:
    """Sampling settings; the manifest's `decoding` keys in snake case."""

    steps: int = 20
    guidance_scale: float = 3.0
    guidance_rescale: float = 0.7
    initial_noise_scale: float = 0.6
    epsilon_scaling: float | None = 1.00045


def cosine_alphas(steps: int = TRAIN_STEPS) -> Tensor:
    """Cumulative alphas [steps] of the cosine schedule with zero terminal SNR, in f32 (§4.1)."""
    level = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2  # noqa: E731
    betas = [min(1 - level((i + 1) / steps) / level(i / steps), 0.999) for i in range(steps)]
    root = (1 - torch.tensor(betas, dtype=torch.float32)).cumprod(0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    return ((root - last) * (first / (first - last))) ** 2


def trailing_timesteps(steps: int, train_steps: int = TRAIN_STEPS) -> list[int]:
    """T-1 downwards in strides of floor(T / steps), as the reference does (§4.2)."""
    return list(range(train_steps - 1, -1, -(train_steps // steps)))


def add_noise(clean: Tensor, noise: Tensor, alphas: Tensor) -> Tensor:
    """Forward diffusion; `alphas` are the cumulative alphas of each row's timestep."""
    alphas = alphas[..., None]
    return alphas.sqrt() * clean + (1 - alphas).sqrt() * noise


@torch.no_grad()
def denoise(predict: Callable[[Tensor, int, bool], Tensor], noise: Tensor, decoding: Decoding) -> Tensor:
    """Clean normalised concepts from unit noise [n, rows, sonar_dim]: the x0 estimate of the last step (§4.3).

    `predict(x, timestep, conditional)` gives the model's clean concepts for noisy x, with the context in view or without.
    """
    alphas = cosine_alphas().to(noise.device)
    stride = TRAIN_STEPS // decoding.steps
    x = (noise * decoding.initial_noise_scale).clamp(-CLIP_NOISE, CLIP_NOISE)
    for t in trailing_timesteps(decoding.steps):
        alpha = alphas[t]
        previous = alphas[t - stride] if t >= stride else torch.ones_like(alpha)
        clean = predict(x, t, True)
        epsilon = (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        if decoding.guidance_scale != 1 and t != TRAIN_STEPS - 1:
            free = (x - alpha.sqrt() * predict(x, t, False)) / (1 - alpha).sqrt()
            mixed = free + decoding.guidance_scale * (epsilon - free)
            factor = epsilon.std(-1, keepdim=True) / mixed.std(-1, keepdim=True)
            epsilon = mixed * (decoding.guidance_rescale * factor + 1 - decoding.guidance_rescale)
            clean = (x - (1 - alpha).sqrt() * epsilon) / alpha.sqrt()
        direction = epsilon / decoding.epsilon_scaling if decoding.epsilon_scaling else epsilon
        x = (previous.sqrt() * clean + (1 - previous).sqrt() * direction).clamp(-CLIP_NOISE, CLIP_NOISE)
    return clean


def sample_rows(
    model: TwoTower, context: Tensor, noise: Tensor, decoding: Decoding, mask: Tensor | None = None
) -> Tensor:
    """`denoise` by the Two-Tower model after context [n, length, d].

    Every row sees all of it unless `mask` [n or 1, 1, rows, 1 + length] says otherwise.
    """

    def predict(x: Tensor, timestep: int, conditional: bool) -> Tensor:
        times = torch.full(x.shape[:2], timestep, device=x.device)
        seen = (context, mask) if conditional else (context[:, :0], None)
        return model.denoiser(x, times, *seen)

    return denoise(predict, noise, decoding)


@torch.no_grad()
def generate(
    model: TwoTower, prompt: Tensor, count: int, decoding: Decoding, draw: Callable[[int], Tensor]
) -> Tensor:
    """Raw prompt concepts [n, length, sonar_dim] -> raw generated concepts [n, count, sonar_dim].

    `draw(i)` gives the unit noise [n, sonar_dim] of the i-th concept. The context is recomputed for each concept: clear rather
    than fast, this is for evaluation.
    """
    concepts = prompt
    for index in range(count):
        context = model.contextualize(model.sonar_normalizer.normalize(concepts))
        clean = sample_rows(model, context, draw(index)[:, None], decoding)
        concepts = torch.cat([concepts, model.sonar_normalizer.denormalize(clean)], dim=1)
    return concepts[:, prompt.shape[1] :]
