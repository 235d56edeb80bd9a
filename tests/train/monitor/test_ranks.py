"""Monitors of two processes say what those of one say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.monitor.monitors import is_clock
from ownlm.train.monitor.written import FILE, read_completions
from ownlm.train.run import train
from tests.train.inputs import small, stage_context
from tests.train.monitor.mixed import make_mixed

pytestmark = pytest.mark.slow


def lines_of(inputs: Path, work: Path, **more: Any) -> list[dict[str, float]]:
    settings = {"steps": 6, "batch": 4, "precision": "fp32", "eval_every": 6, "checkpoint_every": 6} | more
    monitor = {"profile_every": 4, "completions": 1, "completion_tokens": 4}
    context = stage_context(inputs, work, small(**settings, monitor=monitor))
    train(context)
    assert len(read_completions(context.out / FILE)) == 1
    return MetricLog.read(context.metrics.path)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mixed(tmp_path_factory.mktemp("mixed"))


@pytest.mark.parametrize("mesh", [{"context": 2}, {"pipeline": 2}])
def test_numbers_are_those_of_one_process(mixed: Path, tmp_path: Path, mesh: dict[str, int]) -> None:
    alone = lines_of(mixed, tmp_path / "one")
    both = lines_of(mixed, tmp_path / "two", mesh=mesh)
    for one, two in zip(alone, both, strict=True):
        learned = {name for name in one if not is_clock(name)}
        assert learned == {name for name in two if not is_clock(name)}
        for name in sorted(learned):
            assert two[name] == pytest.approx(one[name], rel=2e-4, abs=1e-5), name
    talked = [line for line in both if "ranks/communication" in line]
    assert talked
    assert all(0 < line["ranks/communication"] <= 1 and line["ranks/slowest"] in (0, 1) for line in talked)
    assert not any(name.startswith("ranks/") for line in alone for name in line)
