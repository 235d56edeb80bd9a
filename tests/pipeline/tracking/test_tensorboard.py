"""TensorBoard's event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ownlm.errors import DependencyError
from ownlm.pipeline.tracking.base import RunInfo
from ownlm.pipeline.tracking.config import TensorBoardConfig
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.pipeline.tracking.tensorboard import TensorBoardTracker, import_tensorboard


def track(tmp_path: Path, steps: range, status: Any = "finished", folder: str | None = None) -> None:
    log = MetricLog(
        tmp_path / "metrics.jsonl", [TensorBoardTracker(TensorBoardConfig(folder=folder), tmp_path / "home")]
    )
    log.start(RunInfo("quick", "train", "abc123", tmp_path / "log"))
    log.rewind(min(steps) - 1)
    for step in steps:
        log.log(step, {"loss": 2.0**-step, "time/data_s": float(step)})
    log.summary({"loss": 0.5, "splits": {"train": 12}, "note": "words"})
    log.finish(status)


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def scalars(found: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in found.Scalars(tag)]


def test_what_was_logged_is_read_by_tensorboard(tmp_path: Path) -> None:
    track(tmp_path, range(1, 40))
    found = read(tmp_path / "home/tensorboard/quick/train-abc123")
    assert scalars(found, "loss") == [(step, 2.0**-step) for step in range(1, 40)]
    assert scalars(found, "time/data_s") == [(step, float(step)) for step in range(1, 40)]
    assert scalars(found, "result/loss") == [(39, 0.5)]
    assert scalars(found, "result/splits.train") == [(39, 12.0)]
    assert "result/note" not in found.Tags()["scalars"]


def test_a_continued_run_has_every_step_once(tmp_path: Path) -> None:
    track(tmp_path, range(1, 10), "killed", str(tmp_path / "mine"))
    track(tmp_path, range(5, 15), folder=str(tmp_path / "mine"))
    found = read(tmp_path / "mine/quick/train-abc123")
    assert scalars(found, "loss") == [(step, 2.0**-step) for step in range(1, 15)]


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(DependencyError, match=r"ownlm\[track\]"):
        import_tensorboard()
