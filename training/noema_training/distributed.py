"""Several processes under torchrun: the process group, and what every process must agree on."""

import os
from contextlib import nullcontext

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def start(device: str) -> str:
    """Joins the group that torchrun describes in the environment, if any; returns this process's device."""
    if device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")
    if "LOCAL_RANK" not in os.environ:
        return device
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return device


def stop() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def wrap(module: nn.Module) -> nn.Module:
    """The module, averaging gradients over the processes when there are several."""
    return DistributedDataParallel(module) if world() > 1 else module


def without_reduction(module: nn.Module):
    """Context in which backward only accumulates gradients locally."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def first_says(value: float, device: str) -> float:
    """The first process's value, in every process: they must stop and schedule alike."""
    if world() == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return shared.item()


def barrier() -> None:
    if world() > 1:
        dist.barrier()
