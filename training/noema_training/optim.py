"""Optimizers shared by the trainers: Muon for hidden matrices, AdamW for everything else."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from .workers import Workers

MATRICES_A_TASK = 6


def orthogonalize(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Newton-Schulz orthogonalisation of a batch [n, rows, columns], rows <= columns (Muon, K. Jordan 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum, batched by shape.

    torch.optim.Muon works matrix by matrix in bfloat16, which is slow on CPUs whose bf16 products are emulated; this one keeps the
    precision it is given. Updates are scaled to AdamW's usual size (0.2 sqrt(longest side)).
    """

    def __init__(
        self, parameters: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.05
    ):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    def tasks(self) -> list[Callable[[], None]]:
        """The step as independent pieces of work, a few matrices of one shape each."""
        tasks = []
        for group in self.param_groups:
            shapes = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[tuple(sorted(parameter.shape))].append(parameter)
            for parameters in shapes.values():
                for start in range(0, len(parameters), MATRICES_A_TASK):
                    chunk = parameters[start : start + MATRICES_A_TASK]
                    tasks.append(partial(self._update, chunk, group))
        return tasks

    @torch.no_grad()
    def _update(self, parameters: list[Tensor], group: dict) -> None:
        directions = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            direction = parameter.grad.lerp(state["momentum"], group["momentum"])
            directions.append(direction.T if direction.shape[0] > direction.shape[1] else direction)
        size = group["lr"] * 0.2 * max(parameters[0].shape) ** 0.5
        for parameter, update in zip(parameters, orthogonalize(torch.stack(directions)), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.T if update.shape != parameter.shape else update, alpha=-size)


class Optimizer:
    """Muon on two-dimensional hidden weights, AdamW on embeddings, biases, norms and `adam_names`."""

    def __init__(self, model: nn.Module, learning_rate: float, adam_names: tuple[str, ...] = ()):
        self.learning_rate = learning_rate
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        hidden = [p for name, p in named if p.ndim == 2 and not any(part in name for part in adam_names)]
        chosen = {id(p) for p in hidden}
        self.parameters = [p for _, p in named]
        others = [p for p in self.parameters if id(p) not in chosen]
        self.muon = Muon(hidden, lr=learning_rate)
        self.adam = torch.optim.AdamW(
            others, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        )

    def step(self, scale: float, workers: Workers, clip: float = 1.0) -> None:
        """Clips, steps at `scale` times the learning rate and clears the gradients."""
        torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        for group in self.muon.param_groups + self.adam.param_groups:
            group["lr"] = self.learning_rate * scale
        workers.run([self.adam.step, *self.muon.tasks()])
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> list[dict]:
        return [self.muon.state_dict(), self.adam.state_dict()]

    def load_state_dict(self, states: list[dict]) -> None:
        self.muon.load_state_dict(states[0])
        self.adam.load_state_dict(states[1])


def progress_scale(step: int, progress: float, warmup_steps: int, constant: float = 0.35) -> float:
    """Linear warm-up by steps, constant, then linear decay to 2% by the share of the time budget spent."""
    warm = min(1.0, (step + 1) / warmup_steps)
    return warm * min(1.0, max(0.02, (1 - progress) / (1 - constant)))
