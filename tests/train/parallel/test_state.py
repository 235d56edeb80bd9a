"""State that one layout leaves is taken up by another: the curve goes on as one process's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import distributed

from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.state import whole
from tests.train.parallel.curves import Run, alone, architecture, differences
from tests.train.parallel.kept import loaded, opened, saved
from tests.train.parallel.layouts import ADAMW, EXPERTS, MUON, Case
from tests.train.parallel.places import together

CHANGE_AT, STEPS = 1, 3
Ways = list[tuple[Case, Case]]


def _ways(
    pairs: list[tuple[dict[str, int], dict[str, int]]], model: dict[str, object], rule: dict[str, object]
) -> Ways:
    return [tuple(Case(mesh, model, {"optimizer": rule}) for mesh in pair) for pair in pairs]  # type: ignore[misc]


TWO: Ways = [
    *_ways([({"data": 2}, {"pipeline": 2}), ({"pipeline": 2}, {"shard": 2})], {}, ADAMW),
    *_ways([({"shard": 2}, {"tensor": 2}), ({"tensor": 2}, {"pipeline": 2})], {}, MUON),
    *_ways([({"pipeline": 2}, {"tensor": 2}), ({"context": 2}, {"pipeline": 2})], {"tied": False}, ADAMW),
    *_ways([({"shard": 2, "expert": 2}, {"data": 2}), ({"pipeline": 2}, {"data": 2, "expert": 2})], EXPERTS, MUON),
]
FOUR: Ways = [
    *_ways([({"shard": 2, "tensor": 2}, {"pipeline": 2, "shard": 2})], {}, ADAMW),
    *_ways(
        [({"pipeline": 2, "tensor": 2}, {"shard": 4}), ({"data": 2, "shard": 2}, {"shard": 2, "tensor": 2})], {}, MUON
    ),
]


def change_over(folder: Path, ways: Ways) -> None:
    for number, (before, after) in enumerate(ways):
        run = opened(before)
        points = [run.step(step) for step in range(CHANGE_AT)]
        saved(run, folder / str(number), CHANGE_AT)
        run = opened(after)
        loaded(run, folder / str(number))
        points += [run.step(step) for step in range(CHANGE_AT, STEPS)]
        saved(run, folder / f"{number}-end", STEPS)
        if distributed.get_rank() == 0:
            (folder / f"{number}.json").write_text(json.dumps([*points, (run.measure(), 0.0)]))
        else:
            run.measure()


def check(ways: Ways, folder: Path) -> None:
    for number, (before, after) in enumerate(ways):
        run = Run(Layout(), architecture(**before.model), **before.settings)
        expected = [*(run.step(step) for step in range(STEPS)), (run.measure(), 0.0)]
        seen = [(loss, norm) for loss, norm in json.loads((folder / f"{number}.json").read_text())]
        far = differences(expected, seen)
        assert max(far) < 2e-6, (before.name, after.name, far)
        end = CheckpointFolder(folder / f"{number}-end", "f").newest()
        assert end is not None
        weights = end.part("weights/")
        there = whole(run.decoder, run.decoder.state_dict(), run.layout)
        assert weights.keys() == there.keys()
        assert end.part("optimizer/").keys() == run.rule.state().keys()
        for name, weight in there.items():
            torch.testing.assert_close(weights[name], weight, rtol=0, atol=2e-5, msg=name)


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    together(2, tmp_path, change_over, TWO)
    check(TWO, tmp_path)


@pytest.mark.slow
def test_four_processes(tmp_path: Path) -> None:
    together(4, tmp_path, change_over, FOUR)
    check(FOUR, tmp_path)


def test_one_process_loads_what_it_saved(tmp_path: Path) -> None:
    case = Case({})
    run = Run(Layout(), architecture(), **case.settings)
    points = [run.step(step) for step in range(CHANGE_AT)]
    saved(run, tmp_path / "state", CHANGE_AT)
    again = Run(Layout(), architecture(), **case.settings)
    loaded(again, tmp_path / "state")
    points += [again.step(step) for step in range(CHANGE_AT, STEPS)]
    assert [*points, (again.measure(), 0.0)] == alone(case, STEPS)
