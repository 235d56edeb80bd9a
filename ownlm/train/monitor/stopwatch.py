"""`Stopwatch`: where the time of the training loop goes.

Every second is in one place: a block measured inside another one is not counted with the outer one, and what is inside
none is "other". Times are of this process. On a GPU work goes on after a call has returned: it is counted where the
process next waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

DATA, COMPUTE, CHECKPOINT, EVALUATE, MONITOR, OTHER = "data", "compute", "checkpoint", "evaluate", "monitor", "other"
PLACES = (DATA, COMPUTE, CHECKPOINT, EVALUATE, MONITOR, OTHER)

_Item = TypeVar("_Item")


class Stopwatch:
    """Measures from its making on.

    Args:
        clock: seconds that never go back.

    Attributes:
        inside: what else is opened around the blocks of a place.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._last = clock, clock()
        self._places = [OTHER]
        self._seconds = dict.fromkeys(PLACES, 0.0)
        self.inside: Mapping[str, Callable[[], AbstractContextManager[None]]] = {}

    @contextmanager
    def __call__(self, place: str) -> Iterator[None]:
        """What is done inside goes to `place`, one of `PLACES`."""
        self._charge()
        self._places.append(place)
        try:
            with self.inside.get(place, nullcontext)():
                yield
        finally:
            self._charge()
            self._places.pop()

    def waited(self, place: str, items: Iterable[_Item]) -> Iterator[_Item]:
        """The items; the time until each of them is there goes to `place`."""
        iterator, end = iter(items), object()
        while True:
            with self(place):
                item = next(iterator, end)
            if item is end:
                return
            yield item  # type: ignore[misc]

    def take(self) -> dict[str, float]:
        """Seconds by place since the last call."""
        self._charge()
        taken, self._seconds = self._seconds, dict.fromkeys(PLACES, 0.0)
        return taken

    def _charge(self) -> None:
        now = self._clock()
        self._seconds[self._places[-1]] += now - self._last
        self._last = now
