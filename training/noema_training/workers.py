"""Python threads that share a list of tasks, each computing on one core.

PyTorch's own threads meet at a barrier in every operation: one busy core then slows all of them several times over. Threads
that take whole micro-batches and optimizer pieces from a common list lose only what the busy core takes.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


class Workers:
    """`count` threads; on a GPU use one."""

    def __init__(self, count: int):
        torch.set_num_threads(1)
        self.pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))

    def run(self, tasks: list[Callable]) -> list:
        """Runs the tasks, in no fixed order, and returns their results in order; raises what they raise."""
        return list(self.pool.map(lambda task: task(), tasks))


class Shared:
    """An iterator that several threads may draw from."""

    def __init__(self, iterator: Iterator):
        self.iterator, self.lock = iterator, threading.Lock()

    def draw(self):
        with self.lock:
            return next(self.iterator)
