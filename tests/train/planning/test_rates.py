"""The choice of a learning rate from finished runs."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import TrainingError
from ownlm.train.planning.rates import Trial, choose

GRID = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]


def trials(optimum: float, *, noise: float = 0.0, seeds: int = 1, width: float = 0.05) -> list[Trial]:
    draw = random.Random(0)
    return [
        Trial(lr, seed, 1.5 + width * math.log2(lr / optimum) ** 2 + draw.gauss(0, noise))
        for lr in GRID
        for seed in range(seeds)
    ]


@given(st.floats(1.1e-3, 1.5e-2), st.floats(0.001, 10))
def test_of_a_parabola_the_minimum_is_found(optimum: float, width: float) -> None:
    choice = choose(trials(optimum, width=width))
    assert choice.fitted
    assert choice.lr == pytest.approx(optimum, rel=0.06)  # two digits


@given(st.permutations(trials(3e-3, noise=0.01, seeds=2)))
def test_the_order_of_runs_does_not_matter(shuffled: list[Trial]) -> None:
    assert choose(shuffled).lr == choose(trials(3e-3, noise=0.01, seeds=2)).lr


def test_the_parabola_is_steadier_than_the_lowest_run() -> None:
    def off(lr: float) -> float:
        return abs(math.log2(lr / 4e-3))

    fitted, lowest = 0.0, 0.0
    for seed in range(200):
        draw = random.Random(seed)
        noisy = [Trial(t.lr, 0, (t.loss or 0) + draw.gauss(0, 0.05)) for t in trials(4e-3)]
        choice = choose(noisy)
        fitted, lowest = fitted + off(choice.lr), lowest + off(choice.best)
    assert fitted < 0.8 * lowest


def test_a_rate_that_diverged_is_no_choice_and_says_so() -> None:
    tried = [*trials(8e-3)[:4], Trial(1.6e-2, 0, None)]
    choice = choose(tried)
    assert choice.rates[-1].mean is None
    assert choice.best == 8e-3
    assert choice.edge is None
    assert choose([*tried[:2], Trial(4e-3, 0, math.inf), Trial(4e-3, 1, 1.0)]).best == 2e-3


@pytest.mark.parametrize(("optimum", "edge"), [(1e-4, "lowest"), (1.0, "highest"), (4e-3, None)])
def test_an_optimum_at_the_edge_is_said(optimum: float, edge: str | None) -> None:
    choice = choose(trials(optimum))
    assert choice.edge == edge
    assert choice.fitted == (edge is None)


def test_rates_that_noise_does_not_tell_apart_are_alike() -> None:
    loud = choose(trials(4e-3, noise=0.2, seeds=3))
    exact = choose(trials(4e-3, noise=1e-6, seeds=3))
    assert sum(rate.alike for rate in loud.rates) > 1
    assert [rate.lr for rate in exact.rates if rate.alike] == [4e-3]
    assert loud.noise == pytest.approx(0.2, rel=0.6)
    assert choose(trials(4e-3)).noise is None


def test_two_rates_have_no_parabola() -> None:
    choice = choose(trials(1e-3)[:2])
    assert (choice.lr, choice.fitted) == (1e-3, False)


def test_nothing_trained_is_an_error() -> None:
    with pytest.raises(TrainingError, match="every learning rate diverged"):
        choose([Trial(lr, 0, None) for lr in GRID])
