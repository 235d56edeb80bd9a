from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ownlm.evaluate.execution import carry_out
from ownlm.evaluate.journal import Journal
from ownlm.evaluate.summary import headline, summarize
from ownlm.pipeline.progress import SilentProgress
from tests.evaluate.fakes import FakeJudge, FakeModel, FakeSuite, asked


def measured(tmp_path: Path, suite: FakeSuite, wrong: tuple[int, ...] = (), **run: Any) -> dict[str, Any]:
    what = asked(suite, **run)
    return summarize(what, carry_out(what, FakeModel(wrong), FakeJudge(), Journal(tmp_path, {}), SilentProgress()))


def test_figures_by_suite_language_and_problem(tmp_path: Path) -> None:
    found = measured(tmp_path, FakeSuite(languages=("lua", "python")), wrong=(1, 3))
    assert (found["problems"], found["samples"]) == (8, 8)
    assert found["pass_at_k"]["1"]["value"] == 0.5
    assert found["ends"] == {"passed": 4, "failed": 2, "timed_out": 2}
    assert found["languages"]["lua"]["ends"] == {"passed": 2, "failed": 1, "timed_out": 1}
    assert found["by_problem"]["lua/3"] == {"language": "lua", "samples": 1, "passed": 0, "ends": {"timed_out": 1}}
    assert headline({"suites": {"numbers": found}}) == {
        "numbers.pass_at_1": 0.5,
        "numbers.timed_out": 2,
        "numbers.lua.pass_at_1": 0.5,
        "numbers.python.pass_at_1": 0.5,
    }


def test_a_curve_of_pass_at_k(tmp_path: Path) -> None:
    found = measured(tmp_path, FakeSuite(count=12), samples=12, temperature=0.8, k=[3])
    values = [figure["value"] for figure in found["pass_at_k"].values()]
    assert list(found["pass_at_k"]) == ["1", "2", "3", "5", "10", "12"]
    assert values == sorted(values)
    for figure in found["pass_at_k"].values():
        assert figure["interval_95"][0] <= figure["value"] <= figure["interval_95"][1]
    assert headline({"suites": {"n": found}})["n.pass_at_3"] == found["pass_at_k"]["3"]["value"]


def test_answers_that_met_a_limit_are_counted(tmp_path: Path) -> None:
    what = asked()
    samples = carry_out(what, FakeModel(), FakeJudge(), Journal(tmp_path, {}), SilentProgress())
    found = summarize(what, [replace(samples[0], finish="length"), replace(samples[1], cut=True), *samples[2:]])
    assert (found["unfinished"], found["cut"]) == (1, 1)
