"""The training loop of every model: time budget, pauses, checkpoints, weight average, log, several devices."""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from . import distributed
from .optim import Optimizer, progress_scale
from .workers import Shared, Workers

SAVE_SECONDS = 120


@dataclass(frozen=True)
class Run:
    """Where and how long a trainer runs."""

    device: str = "cpu"
    threads: int = 2
    seed: int = 0
    minutes: float | None = None  # whole budget, earlier calls included; learning rates follow it
    max_steps: int | None = None
    pause_at: float = math.inf  # clock time (time.time()) at which this call saves and returns
    bf16: bool = False
    compile: bool = False
    loader_processes: int = 0
    on_save: Callable[[], None] | None = None


@dataclass
class Task:
    """What is trained. `loss` maps a batch to the total to differentiate and named terms (tensors without gradients)."""

    name: str
    model: nn.Module
    optimizer: Optimizer
    loss: Callable[[Any], tuple[Tensor, dict[str, Tensor]]]
    batches: Callable[[int], Iterator]
    meta: dict
    minutes: float
    micro_batches: int
    warmup_steps: int
    average_decay: float | None = None
    validate: Callable[[nn.Module], dict[str, float]] | None = None
    log_every: int = 50
    validate_every: int = 500  # a multiple of log_every
    select: str | None = None  # value of `validate` whose lowest average is kept beside the last one
    best: dict[str, Any] = field(default_factory=dict)  # its step, value and weights
    averages: dict[str, Tensor] = field(default_factory=dict)


class LossModule(nn.Module):
    """The loss as a module, so that one wrapper can reduce gradients around it."""

    def __init__(self, model: nn.Module, loss: Callable):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch):
        return self.loss(batch)


class _Stream(IterableDataset):
    """Batches made in a loader process, each process with a seed of its own."""

    def __init__(self, batches: Callable[[int], Iterator], seed: int):
        self.batches, self.seed = batches, seed

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        return iter(self.batches(self.seed + 7919 * (worker.id + 1 if worker else 0)))


def stream(batches: Callable[[int], Iterator], seed: int, processes: int) -> Iterator:
    """Endless batches, made in this process or in several others."""
    if not processes:
        return iter(batches(seed))
    loader = DataLoader(
        _Stream(batches, seed),
        batch_size=None,
        num_workers=processes,
        prefetch_factor=4,
        persistent_workers=True,
    )
    return iter(loader)


def train(task: Task, work: Path, run: Run) -> dict:
    """Trains until the budget is spent, `max_steps` are done or `pause_at` has come; resumes from work/NAME.pt.

    Returns the step, seconds spent over all calls, whether the budget is spent, and the moving averages of the terms. Raises ValueError
    where the weights to go on from belong to another normalizer than work/normalizer.pt.
    """
    budget = 60 * (run.minutes if run.minutes is not None else task.minutes)
    checkpoint, first = work / f"{task.name}.pt", distributed.rank() == 0
    average = copy.deepcopy(task.model).eval().requires_grad_(False) if task.average_decay else None
    step, elapsed = _resume(task, average, checkpoint, run.device)
    _require_same_normalizer(task, work)
    seed = run.seed + step + 100_003 * distributed.rank()
    torch.manual_seed(seed)  # other noise in every process and after every pause
    log = (work / f"{task.name}.log.jsonl").open("a" if step else "w") if first else None
    module = LossModule(task.model, task.loss)
    module = distributed.wrap(torch.compile(module, dynamic=True) if run.compile else module)
    workers = Workers(1 if distributed.world() > 1 or run.device.startswith("cuda") else run.threads)
    source = Shared(stream(task.batches, seed, run.loader_processes))

    def micro_batch() -> dict[str, Tensor]:
        """Adds one micro-batch's gradients, returns its terms."""
        batch = source.draw()
        with torch.autocast(run.device.split(":")[0], torch.bfloat16, enabled=run.bf16):
            total, terms = module(batch)
        (total / task.micro_batches).backward()
        return terms

    def accumulate() -> list[dict[str, Tensor]]:
        if distributed.world() == 1:
            return workers.run([micro_batch] * task.micro_batches)
        with distributed.without_reduction(module):
            results = [micro_batch() for _ in range(task.micro_batches - 1)]
        return [*results, micro_batch()]

    began, saved_at, logged_at, logged_step = time.time() - elapsed, elapsed, elapsed, step
    spent = paused = False
    while True:
        elapsed = distributed.first_says(time.time() - began, run.device)
        paused = distributed.first_says(float(time.time() >= run.pause_at), run.device) > 0
        spent = elapsed >= budget or (run.max_steps is not None and step >= run.max_steps)
        if spent or paused:
            break
        scale = progress_scale(step, elapsed / budget, task.warmup_steps)
        for terms in accumulate():
            for name, value in terms.items():
                value = value.detach()
                task.averages[name] = (
                    torch.lerp(task.averages[name], value, 0.01) if name in task.averages else value
                )
        task.optimizer.step(scale, workers)
        step += 1
        if average is not None:
            _move_average(average, task.model, min(task.average_decay, step / (step + 10)))
        if first and step % task.log_every == 0:
            entry = {"step": step, "seconds": round(elapsed), "scale": round(scale, 3)}
            entry["seconds_per_step"] = round((elapsed - logged_at) / (step - logged_step), 4)
            entry |= {name: round(value.item(), 4) for name, value in task.averages.items()}
            if task.validate and step % task.validate_every == 0:
                entry |= _validated(task, average, step)
            print(json.dumps(entry), file=log, flush=True)
            logged_at, logged_step = elapsed, step
        if first and elapsed - saved_at > SAVE_SECONDS:
            save(task, average, step, elapsed, checkpoint)
            saved_at = elapsed
            if run.on_save:
                run.on_save()
    result = {"step": step, "seconds": round(elapsed, 1), "finished": spent}
    result |= {name: value.item() for name, value in task.averages.items()}
    if first:
        if task.validate and spent:
            result |= _validated(task, average, step)
        save(task, average, step, elapsed, checkpoint)
    distributed.barrier()  # the next step may read the checkpoint in every process
    if first:
        print(json.dumps(result), file=log, flush=True)
    return result


def save(task: Task, average: nn.Module | None, step: int, elapsed: float, path: Path) -> None:
    """Writes the checkpoint atomically."""
    state = {**task.meta, "model": task.model.state_dict(), "optimizer": task.optimizer.state_dict()}
    if average is not None:
        state["average"] = average.state_dict()
    if task.best:
        state["best"] = task.best
    torch.save({**state, "step": step, "elapsed": elapsed}, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def trained_weights(saved: dict) -> dict[str, Tensor]:
    """The weights of a checkpoint that are to be used: the best average by validation, else the last average."""
    return saved["best"]["weights"] if "best" in saved else saved.get("average", saved["model"])


def load_trained(kind: type[nn.Module], work: Path, name: str) -> tuple[nn.Module, dict]:
    """A trained concept model of a work directory with its architecture."""
    saved = torch.load(work / f"{name}.pt", map_location="cpu")
    model = kind(**saved["architecture"])
    model.load_state_dict(trained_weights(saved))
    return model, saved["architecture"]


def _validated(task: Task, average: nn.Module | None, step: int) -> dict[str, float]:
    """Scores the average and keeps a copy of it when it is the best so far."""
    model = average if average is not None else task.model
    scores = task.validate(model)
    if task.select and scores[task.select] < task.best.get("value", math.inf):
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        task.best = {"step": step, "value": scores[task.select], "weights": weights}
    return scores


def _resume(task: Task, average: nn.Module | None, path: Path, device: str) -> tuple[int, float]:
    """Step and seconds of the checkpoint; one without optimizer state (brought from another machine) keeps its weights."""
    if not path.exists():
        return 0, 0.0
    saved = torch.load(path, map_location=device)
    task.model.load_state_dict(saved["model"])
    if average is not None:
        average.load_state_dict(saved.get("average", saved["model"]))
    task.best = saved.get("best", {})
    if "optimizer" in saved:
        task.optimizer.load_state_dict(saved["optimizer"])
    return saved["step"], saved["elapsed"]


def _require_same_normalizer(task: Task, work: Path) -> None:
    """Documents are normalised with work/normalizer.pt: a model that brought another one would see other concepts than it learned from,
    and its best value would be of another scale."""
    for name, value in task.model.state_dict().items():
        if "sonar_normalizer." in name:
            wanted = torch.load(work / "normalizer.pt", map_location=value.device)[name.rpartition(".")[2]]
            if not torch.allclose(value, wanted, rtol=1e-6):
                raise ValueError(
                    f"the weights that {task.name} goes on from belong to another normalizer than {work / 'normalizer.pt'}: remove the "
                    "checkpoints of the concept models to train them anew, or warm-start them again, which takes the new normalizer"
                )


@torch.no_grad()
def _move_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
