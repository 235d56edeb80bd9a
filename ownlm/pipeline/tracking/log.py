"""`MetricLog`: numbers over time, one JSON line a step, on disk before `log` returns.

The file is the truth; trackers (MLflow, Weights & Biases) show it elsewhere and catch up from it after a kill.
A tracker that fails is reported once and left alone: it can cost a picture, never the training.

    {"step":20,"time":1767225600.5,"loss":5.25,"tokens_per_second":15360.0}
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from ownlm.errors import ArtifactError, OwnlmError, StorageError
from ownlm.pipeline.tracking.base import RunInfo, Status, Tracker
from ownlm.pipeline.tracking.redact import redact

_log = logging.getLogger("ownlm.tracking")
_BLOCK = 65536
_OUTSIDE_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class MetricLog:
    """Numbers over time of one stage.

    Args:
        path: the JSONL file; its folder is made when the first line is written.
        trackers: where else the numbers go.
        warn: told once about each tracker that failed; by default the log "ownlm.tracking".
    """

    def __init__(
        self, path: Path, trackers: Sequence[Tracker] = (), *, warn: Callable[[str], None] = _log.warning
    ) -> None:
        self.path = path
        self._trackers = list(trackers)
        self._warn = warn
        self._tail_checked = False

    def start(self, run: RunInfo) -> None:
        """Tell the trackers which run this is, and let them catch up with the lines already in the file.

        Raises:
            ArtifactError: the file is damaged.
        """
        self._tell(lambda tracker: tracker.start(run))
        if self._trackers and self.path.exists():
            for line in self.read(self.path):
                self._tell_step(int(line.pop("step")), line.pop("time"), line)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; it is with the operating system before this returns, so a kill loses none.

        Args:
            step: the optimizer step (or whatever the stage counts), not negative.
            values: finite or not; anything `float` accepts.

        Raises:
            ValueError: a value is called "step" or "time", or the step is negative.
            StorageError: the disk is full or the file cannot be written.
        """
        if step < 0 or "step" in values or "time" in values:
            raise ValueError(f"a step must not be negative, and no value may be called step or time: {step}, {values}")
        now = time.time()
        numbers = {name: float(value) for name, value in values.items()}
        line = {"step": int(step), "time": round(now, 3)} | {name: _encode(value) for name, value in numbers.items()}
        self._append(json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        self._tell_step(int(step), now, numbers)

    def forward(self, step: int, when: float, values: Mapping[str, float]) -> None:
        """Hand a line that another process wrote to this file on to the trackers."""
        self._tell(lambda tracker: tracker.log(step, values, when))

    def rewind(self, step: int) -> None:
        """Drop every line after `step`, and a torn last line: to go on from a checkpoint made at `step`.

        Atomic: a kill leaves either the old file or the new one.

        Raises:
            ArtifactError: a line before the last is not JSON.
            StorageError: the disk is full or the file cannot be written.
        """
        if not self.path.exists():
            return
        kept = [line for line, values in _lines(self.path) if values["step"] <= step]
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            with temporary.open("wb") as stream:
                stream.writelines(kept)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _cannot_write(self.path, error) from error

    def summary(self, values: Mapping[str, JsonValue]) -> None:
        """Hand headline results to the trackers; on disk they live in the artifact's manifest."""
        self._tell(lambda tracker: tracker.summary(values))

    def finish(self, status: Status) -> None:
        """End the run on every tracker."""
        self._tell(lambda tracker: tracker.finish(status))

    @staticmethod
    def read(path: Path) -> list[dict[str, float]]:
        """All complete lines, in the order they were written; a torn last line is passed over.

        Raises:
            ArtifactError: the file is missing or a line before the last is damaged.
        """
        return [values for _, values in _lines(path)]

    def _append(self, line: bytes) -> None:
        try:
            if not self._tail_checked:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                _drop_torn_tail(self.path)
                self._tail_checked = True
            with self.path.open("ab") as stream:
                stream.write(line)
        except OSError as error:
            self._tail_checked = False
            raise _cannot_write(self.path, error) from error

    def _tell_step(self, step: int, now: float, values: Mapping[str, float]) -> None:
        self._tell(lambda tracker: tracker.log(step, values, now))

    def _tell(self, act: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                act(tracker)
            except Exception as error:  # a picture elsewhere is never worth the training
                self._trackers.remove(tracker)
                detail = error.what if isinstance(error, OwnlmError) else f"{type(error).__name__}: {error}"
                self._warn(
                    redact(f"{tracker.label} failed and gets no more numbers ({detail}); {self.path.name} has all.")
                )


def _encode(value: float) -> float | str:
    """The value, or its name where JSON has no number for it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, float]]]:
    """Each complete line, raw and parsed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"The metrics cannot be read ({error.strerror}).",
            where=path,
            advice="Run the stage again, or look whether the path is right.",
        ) from error
    complete = data.split(b"\n")[:-1]  # what follows the last line end is torn, or nothing
    for number, line in enumerate(complete, start=1):
        try:
            raw = json.loads(line)
            values = {str(k): _OUTSIDE_JSON[v] if isinstance(v, str) else float(v) for k, v in raw.items()}
            values["step"], values["time"]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ArtifactError(
                "The metrics are damaged: a line is not a JSON object of numbers with step and time.",
                where=f"{path}:{number}",
                advice="Remove that line; the others are good.",
            ) from error
        yield line + b"\n", values


def _drop_torn_tail(path: Path) -> None:
    """Cut what follows the last line end: half a line left by a kill or a full disk."""
    if not path.exists():
        return
    with path.open("r+b") as stream:
        size = end = path.stat().st_size
        tail = b""
        while end > 0 and b"\n" not in tail:
            start = max(0, end - _BLOCK)
            stream.seek(start)
            tail = stream.read(end - start)
            end = start
        whole = end + tail.rfind(b"\n") + 1
        if whole != size:
            stream.truncate(whole)


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The metrics cannot be written ({error.strerror}).",
        where=path,
        advice="Free disk space or make the folder writable, then run the same command: it goes on where it was.",
    )
