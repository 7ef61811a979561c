"""What keeps an accelerator busy with a small model: recorded steps, and batches made ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Batch = tuple[torch.Tensor, ...]
Step = Callable[..., torch.Tensor]
AHEAD = 64
"""Batches that each process holds ready."""


class Recorded:
    """A step that is recorded once for each shape and replayed.

    A small model's kernels are over sooner than they are launched one by one.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.made: dict[tuple[int, torch.Size], Any] = {}
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()  # the default one cannot be recorded
        self.stream.wait_stream(torch.cuda.current_stream())
        torch.cuda.set_stream(self.stream)

    def __call__(self, *batch: torch.Tensor) -> torch.Tensor:
        shape = len(batch), batch[0].shape
        if shape not in self.made:  # the first time plainly: it sets up what recording needs
            self.made[shape] = None
            return self.step(*(part.cuda() for part in batch))
        if self.made[shape] is None:
            held = [part.cuda() for part in batch]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                told = self.step(*held)
            self.made[shape] = graph, held, told
        graph, held, told = self.made[shape]
        for place, part in zip(held, batch, strict=True):
            place.copy_(part)
        graph.replay()
        return told


class _Parts(IterableDataset[Batch]):
    def __init__(self, part: Callable[[int, int], Iterator[Batch]]) -> None:
        self.part = part

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        assert worker is not None
        return self.part(worker.id, worker.num_workers)


def ahead(part: Callable[[int, int], Iterator[Batch]], n: int) -> Iterator[Batch]:
    """Batches of `n` processes in turn; `part(i, n)` makes those of one of them."""
    return iter(DataLoader(_Parts(part), batch_size=None, num_workers=n, prefetch_factor=AHEAD))
