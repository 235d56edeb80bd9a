from __future__ import annotations

from pathlib import Path

from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.parallel.follow import Follower


def test_lines_are_told_once_and_again_after_a_rewind(tmp_path: Path) -> None:
    log, told = MetricLog(tmp_path / "metrics.jsonl"), list[tuple[int, float]]()
    log.log(2, {"loss": 9.0})  # of an earlier run: its trackers have it
    follower = Follower(log.path, lambda step, when, values: told.append((step, values["loss"])))
    log.log(4, {"loss": 4.0})
    log.log(6, {"loss": 6.0})
    follower.look()
    log.rewind(4)
    follower.look()
    log.log(6, {"loss": 6.5})
    with follower:
        pass
    assert told == [(4, 4.0), (6, 6.0), (6, 6.5)]


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    told = list[int]()
    with Follower(tmp_path / "metrics.jsonl", lambda step, when, values: told.append(step)):
        MetricLog(tmp_path / "metrics.jsonl").log(1, {"loss": 1.0})
    assert told == [1]
