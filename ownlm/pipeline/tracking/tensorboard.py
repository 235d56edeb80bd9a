"""TensorBoard: event files below ownlm's home folder, read by `tensorboard --logdir HOME/tensorboard`.

A stage that was killed and continues writes a new file in the same folder, with all numbers from the start: a session
mark in it tells TensorBoard to forget those of the file before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ownlm.errors import DependencyError
from ownlm.pipeline.tracking.background import BackgroundTracker, Point
from ownlm.pipeline.tracking.base import RunInfo, Status, flatten
from ownlm.pipeline.tracking.config import TensorBoardConfig

_KEY_LENGTH = 16


def import_tensorboard() -> tuple[Any, Any, Any]:
    """TensorBoard's writer of event files, and its event and summary messages.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise DependencyError(
            f"Tracking with TensorBoard needs a package that is not installed ({error.name}).",
            where="track.tensorboard",
            advice="pip install 'ownlm[track]', or take `tensorboard` out of the recipe's `track`.",
        ) from error
    return EventFileWriter, event_pb2, summary_pb2


class TensorBoardTracker(BackgroundTracker):
    """One stage's numbers, as TensorBoard event files.

    Args:
        config: where to.
        home: files go to `home / "tensorboard"` unless the recipe names a folder.
    """

    label = "TensorBoard"

    def __init__(self, config: TensorBoardConfig, home: Path) -> None:
        super().__init__()
        self._folder = Path(config.folder) if config.folder is not None else home.resolve() / "tensorboard"
        self._writer: Any = None
        self._last = (0, 0.0)

    def _begin(self, run: RunInfo) -> Mapping[str, int]:
        writer, events, _ = import_tensorboard()
        folder = self._folder / run.name / f"{run.stage}-{run.key[:_KEY_LENGTH]}"
        self._writer = writer(str(folder))
        mark = events.SessionLog(status=events.SessionLog.START)
        self._writer.add_event(events.Event(step=0, session_log=mark))
        self._writer.flush()
        return {}

    def _send(self, points: Sequence[Point]) -> None:
        for point in points:
            self._write(point.step, point.time, point.values)
        self._writer.flush()

    def _summarize(self, values: Mapping[str, JsonValue]) -> None:
        """Numbers become scalars called result/NAME, at the last step."""
        numbers = {
            f"result/{name}": float(value)
            for name, value in flatten(values).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        self._write(*self._last, numbers)

    def _end(self, status: Status) -> None:
        self._writer.close()

    def _write(self, step: int, time: float, values: Mapping[str, float]) -> None:
        _, events, summaries = import_tensorboard()
        self._last = (step, time)
        scalars = [summaries.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._writer.add_event(events.Event(step=step, wall_time=time, summary=summaries.Summary(value=scalars)))
