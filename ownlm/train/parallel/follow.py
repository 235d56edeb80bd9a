"""Lines the first worker writes to metrics.jsonl, shown by the stage that launched it: progress and trackers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ownlm.errors import ArtifactError
from ownlm.pipeline.tracking.log import MetricLog

_LOOK_EVERY_S = 0.5

Seen = Callable[[int, float, dict[str, float]], None]


class Follower:
    """Calls `seen(step, time, values)` for every line that is written while it is open, in a thread.

    Lines that are dropped again, when workers start anew from a checkpoint, are told again when they are written again.

    Args:
        path: of the metrics; it need not be there yet. What is in it already is passed over.
        seen: called for each new line.
    """

    def __init__(self, path: Path, seen: Seen) -> None:
        self._path, self._seen = path, seen
        self._last = max((int(line["step"]) for line in self._lines()), default=-1)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_EVERY_S):
            self.look()
        self.look()

    def look(self) -> None:
        """Tell of the lines that are new."""
        lines = self._lines()
        newest = max((int(line["step"]) for line in lines), default=-1)
        for line in lines:
            step = int(line.pop("step"))
            if step > self._last:
                self._seen(step, line.pop("time"), line)
        self._last = newest

    def _lines(self) -> list[dict[str, float]]:
        try:
            return MetricLog.read(self._path)
        except ArtifactError:  # not written yet
            return []
