"""How fast a run is, where its time goes, what it has cost, and what is left.

    mfu              see `ownlm.train.monitor.peak`; over the whole interval, pauses included
    time/PLACE_s     seconds of the interval (`stopwatch`), of the first process
    run/seconds      since the run began, earlier lives included (what a kill threw away is not)
    run/cost         run/seconds x train.price_per_hour

Time and money left are by the pace of the last intervals.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from pydantic import JsonValue

from ownlm.train.monitor.machine import Machine
from ownlm.train.monitor.peak import peak_of
from ownlm.train.monitor.ranks import gathered, summed
from ownlm.train.monitor.stopwatch import PLACES
from ownlm.train.observer import Parts
from ownlm.train.position import Position

_INTERVALS = 20
_ADDED, _MEAN, _MOST = ("cores", "memory_gb"), ("gpu_busy", "gpu_power_w"), ("gpu_memory_gb",)


class Speed:
    """Clocks of one run; every process calls its methods alike.

    Args:
        parts: of the run.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._clock = parts, parts.clock
        self._machine = Machine(parts.execution.device)
        self._seconds = 0.0
        self._tokens = 0
        self._peak: float | None = None
        self._known = False
        self._recent: deque[tuple[int, float]] = deque(maxlen=_INTERVALS)

    def started(self, position: Position) -> None:
        """Begin an interval."""
        self._seconds += sum(self._clock.take().values())
        self._tokens = 0
        if not self._known:
            self._peak, self._known = self._all_peaks(), True
            self._clock.take()

    def step(self, position: Position) -> None:
        """A step is done."""
        self._tokens += self._tokens_of(position.step - 1, position.step)
        self._machine.step()

    def numbers(self, position: Position) -> dict[str, float]:
        """Of the interval since the last call."""
        taken = self._clock.take()
        interval = max(sum(taken.values()), 1e-9)
        self._seconds += interval
        found = {f"time/{place}_s": taken[place] for place in PLACES}
        if self._tokens:
            self._recent.append((self._tokens, interval))
            if self._peak is not None:
                flops = self._parts.decoder.architecture.training_flops_per_token * self._tokens
                found["mfu"] = flops / interval / self._peak
        self._tokens = 0
        return found | self._machines() | self._money(position)

    def state(self) -> JsonValue:
        """Seconds so far."""
        return self._seconds

    def load(self, state: Any) -> None:
        """The inverse of `state`."""
        self._seconds = max(float(state), self._seconds)

    def _money(self, position: Position) -> dict[str, float]:
        """Time so far and left, and what both cost."""
        settings = self._parts.settings
        found = {"run/seconds": self._seconds}
        tokens, seconds = (sum(column) for column in zip(*self._recent, strict=True)) if self._recent else (0, 0.0)
        if tokens:
            found["run/seconds_left"] = self._tokens_of(position.step, settings.steps) * seconds / tokens
        if settings.price_per_hour is not None:
            for name, cost in (("seconds", "cost"), ("seconds_left", "cost_left")):
                if f"run/{name}" in found:
                    found[f"run/{cost}"] = found[f"run/{name}"] / 3600 * settings.price_per_hour
        return found

    def _machines(self) -> dict[str, float]:
        """Over all processes: cores and memory added up, the GPUs' business as a mean, their memory as the most."""
        mine = self._machine.numbers()
        names = (*_ADDED, *_MEAN, *_MOST)
        if self._parts.layout.world == 1:
            found = mine
        else:
            sums = summed(self._parts.layout, np.array([[mine.get(name, 0.0), name in mine] for name in names]))
            most = {name: float(gathered(self._parts.layout, mine.get(name, 0.0)).max()) for name in _MOST}
            found = {
                name: most.get(name, float(value if name in _ADDED else value / count))
                for name, (value, count) in zip(names, sums, strict=True)
                if count
            }
        return {f"machine/{name}": value for name, value in (found | Machine.free()).items()}

    def _all_peaks(self) -> float | None:
        """Of all processes' devices; None when one of them is not known."""
        peaks = gathered(self._parts.layout, peak_of(self._parts.execution) or 0.0)
        return float(peaks.sum()) if (peaks > 0).all() else None

    def _tokens_of(self, first: int, end: int) -> int:
        """Tokens of the steps from `first` until before `end`, over all processes."""
        sizes = self._parts.batches.sizes
        return (sizes.samples(end).start - sizes.samples(first).start) * self._parts.batches.context
