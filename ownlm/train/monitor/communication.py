"""How long the processes of a layout talk to each other, and which one the others wait for: timed now and then.

torch's profiler names every collective (`gloo:all_reduce`, `ncclDevKernel_...`). The time in which at least one is
under way counts as communication, waiting for the slowest process included, also where computation goes on meanwhile.
What is left of a step is a process's own work: the one with most of it holds up the others. A step that is profiled
takes longer, so shares are taken inside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ownlm.train.monitor.ranks import Floats, gathered
from ownlm.train.parallel.layout import Layout, MeshLayout

_NAMES = ("gloo:", "nccl:", "ncclDevKernel", "ncclKernel")


@dataclass(frozen=True)
class Talk:
    """One step of one process.

    Attributes:
        seconds: of forward, backward and update.
        talking: of those, with a collective under way.
    """

    seconds: float
    talking: float


class Communication:
    """Times one step of every `every`.

    Args:
        layout: of this process; alone it never talks.
        every: steps; 0: never.
        device: "cpu" or "cuda".
    """

    def __init__(self, layout: Layout, every: int, device: str) -> None:
        self._layout, self._device = layout, device
        self._every = every if isinstance(layout, MeshLayout) else 0
        self._talks: list[Talk] = []

    def due(self, step: int) -> bool:
        """Whether the step that follows `step` steps is timed: the third of each stretch, when all is warm."""
        return self._every > 0 and step % self._every == min(2, self._every - 1)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time what is done inside."""
        from torch.profiler import ProfilerActivity, profile

        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if self._device == "cuda" else [])
        with profile(activities=activities) as profiler:
            started = time.perf_counter()
            yield
            seconds = time.perf_counter() - started
        spans = [
            (event.time_range.start, event.time_range.end)
            for event in profiler.events() or ()
            if event.name.startswith(_NAMES)
        ]
        self._talks.append(Talk(seconds, min(covered(spans) / 1e6, seconds)))

    def numbers(self) -> dict[str, float]:
        """Over the steps timed since the last call: the share of communication, and the slowest process.

        Every process calls it alike.
        """
        if not self._talks:
            return {}
        talks, self._talks = self._talks, []
        shares = gathered(self._layout, sum(talk.talking for talk in talks) / sum(talk.seconds for talk in talks))
        work = gathered(self._layout, sum(talk.seconds - talk.talking for talk in talks) / len(talks))
        return {"ranks/communication": float(shares.mean()), **slowest(work)}


def slowest(work: Floats) -> dict[str, float]:
    """The rank with most work of its own in a step, and how much more that is than the median rank's, as a share."""
    rank, median = int(np.argmax(work)), float(np.median(work))
    return {"ranks/slowest": float(rank), "ranks/slowest_behind": float(work[rank]) / max(median, 1e-9) - 1.0}


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
