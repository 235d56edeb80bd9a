"""Every layout gives the loss curve of one process: losses, gradients' lengths, held-out loss.

Three steps each; the table (`tests.train.parallel.table`) has five, and the same cases at four processes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from tests.train.parallel.curves import Curve, allowed, alone, differences, read_curve, write_curves
from tests.train.parallel.layouts import FEW, SOME, TWO, Case
from tests.train.parallel.places import together

GOLDEN = Path(__file__).with_name("golden.json")
STEPS = 3


@cache
def _alone(key: str) -> Curve:
    model, settings = json.loads(key)
    return alone(Case({}, model, settings), STEPS)


def wrong(cases: list[Case], folder: Path) -> dict[str, tuple[float, float]]:
    """The layouts that are further from one process than is allowed, and how far."""
    found = {}
    for number, case in enumerate(cases):
        far = differences(_alone(json.dumps([case.model, case.settings])), read_curve(folder, number))
        if not all(value <= most for value, most in zip(far, allowed(case), strict=True)):
            found[case.name] = far
    return found


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The curves of one of each kind."""
    folder = tmp_path_factory.mktemp("few")
    together(2, folder, write_curves, FEW, STEPS)
    return folder


def test_one_process_as_ever() -> None:
    """Losses of before: a change of the model or the step that is not meant to change them does not."""
    for seen, expected in zip(alone(Case({}), 5), json.loads(GOLDEN.read_text()), strict=True):
        assert seen == pytest.approx(tuple(expected), rel=1e-5)


def test_one_of_each_kind(few: Path) -> None:
    assert wrong(FEW, few) == {}


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    rest = [case for case in TWO if case not in FEW]
    together(2, tmp_path, write_curves, rest, STEPS)
    assert wrong(rest, tmp_path) == {}


@pytest.mark.slow
def test_four_processes(tmp_path: Path) -> None:
    together(4, tmp_path, write_curves, SOME, STEPS)
    assert wrong(SOME, tmp_path) == {}


@pytest.mark.slow
def test_the_same_layout_again_gives_the_same_bits(few: Path, tmp_path: Path) -> None:
    together(2, tmp_path, write_curves, FEW, STEPS)
    for number, case in enumerate(FEW):
        assert read_curve(few, number) == read_curve(tmp_path, number), case.name


def test_the_comparison_sees_a_difference() -> None:
    """A curve of other data or another rate is far outside."""
    one, other = Case({}), Case({}, settings={"optimizer": {"adamw": {"lr": 2.9e-3}}})
    far = differences(alone(one, STEPS), alone(other, STEPS))
    assert far[0] > 10 * allowed(one)[0]
