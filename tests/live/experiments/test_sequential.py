"""Intervals that hold whenever one looks: against numerical integration, duality, and how often they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ownlm.live.experiments.power import deviation_of, users_needed, visible_with
from ownlm.live.experiments.ratio import ratio_of
from ownlm.live.experiments.sequential import LEAST_USERS, _normal, _student, difference, half_width, p_value
from ownlm.live.experiments.simulate import World, simulate

MANY = 1e9


def integrated(value: float, variance: float, expected: float) -> float:
    """1/L from its definition: the likelihood ratio averaged over the prior."""
    prior = stats.norm(0, expected)
    grid = np.linspace(-12 * expected, 12 * expected, 20_001)
    ratio = stats.norm.pdf(value, grid, np.sqrt(variance)) / stats.norm.pdf(value, 0, np.sqrt(variance))
    return float(1 / np.trapezoid(ratio * prior.pdf(grid), grid))


@pytest.mark.parametrize(("value", "variance", "expected"), [(0.0, 1.0, 1.0), (2.0, 0.5, 1.0), (-0.3, 0.01, 0.1)])
def test_p_is_the_averaged_likelihood_ratio(value, variance, expected):
    assert float(p_value(value, variance, MANY, expected)) == pytest.approx(
        min(1.0, integrated(value, variance, expected)), rel=1e-6
    )


@given(st.floats(-3, 3), st.floats(1e-4, 1), st.floats(1, 200), st.floats(0.01, 1), st.floats(0.001, 0.2))
def test_the_interval_holds_what_is_not_refuted(value, variance, freedom, expected, alpha):
    half = float(half_width(variance, freedom, expected, alpha))
    p = float(p_value(value, variance, freedom, expected))
    if abs(abs(value) - half) > 1e-6 * half:
        assert (abs(value) > half) == (p < alpha)


@pytest.mark.parametrize("freedom", [2.0, 5.0, 30.0, 500.0])
@pytest.mark.parametrize("t", [0.5, 2.0, 4.0, 8.0])
def test_few_users_make_students_t(freedom, t):
    exact = stats.norm.isf(stats.t.sf(t, freedom))
    assert float(_normal(np.asarray(t), np.asarray(freedom))) == pytest.approx(exact, rel=0.03)
    assert float(_student(_normal(np.asarray(t), np.asarray(freedom)), np.asarray(freedom))) == pytest.approx(t)


pairs = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=2, max_size=12)


@given(pairs, pairs)
def test_swapping_the_arms_turns_the_sign(left, right):
    a, b = (ratio_of([min(s, n) for s, n in arm], [n for _, n in arm], share=True) for arm in (left, right))
    one, other = difference(a, b, expected=0.05), difference(b, a, expected=0.05)
    assert float(one.value) == pytest.approx(-float(other.value))
    assert float(one.low) == pytest.approx(-float(other.high))
    assert float(one.p) == pytest.approx(float(other.p))


@pytest.mark.parametrize("users", [0, 1, LEAST_USERS - 1])
def test_nothing_is_said_of_an_arm_with_few_users(users):
    few, many = ratio_of([0] * users, [9] * users, share=True), ratio_of([9] * 50, [9] * 50, share=True)
    found = difference(few, many, expected=0.05)
    assert float(found.p) == 1.0
    assert np.isneginf(found.low)
    assert np.isposinf(found.high)


def test_users_who_are_alike_to_the_last_digit_are_not_certainty():
    found = difference(ratio_of([10.0] * 9, [5] * 9), ratio_of([20.0] * 9, [5] * 9), expected=0.05)
    assert float(found.p) == 1.0
    assert np.isposinf(found.high)


def test_a_random_walk_is_looked_at_a_thousand_times_from_early_to_very_late():
    """The walk of differences without a difference, over seven decades of time: wrong at most alpha, and not never."""
    draw = np.random.default_rng(1)
    times = np.logspace(-2, 5, 1000)
    steps = draw.normal(size=(2000, len(times))) * np.sqrt(np.diff(times, prepend=0))
    walk = steps.cumsum(axis=1)
    found = p_value(walk / times, 1 / times, MANY, 1.0)
    assert 0.02 < (found < 0.05).any(axis=1).mean() <= 0.05
    assert (np.abs(walk / np.sqrt(times)) > 1.96).any(axis=1).mean() > 0.5, "a plain test is wrong half of the time"


@pytest.mark.parametrize(
    "world",
    [
        World(users=12),
        World(users=60, activity=2.0, agreement=1.0),
        World(users=60, joining=True, novelty=True),
        World(users=60, rate=0.02),
        World(users=40, share=0.1),
        World(users=400, views=10.0, joining=True, agreement=1e6, activity=0.1),
    ],
)
def test_looking_all_the_time_finds_no_difference_where_there_is_none(world):
    repetitions = 120 if world.users <= 60 else 40
    seen = simulate(world, repetitions, 40, seed=3)
    assert (seen.acceptance(0.05).p < 0.05).any(axis=1).mean() <= 0.05
    assert (seen.characters(0.05).p < 0.05).any(axis=1).mean() <= 0.05
    a, b = seen.arms(seen.accepted_SLU, share=False)
    with np.errstate(all="ignore"):
        z = np.abs(a.value - b.value) / np.sqrt(a.variance + b.variance)
    assert (np.nan_to_num(z, posinf=9.0) > 1.96).any(axis=1).mean() > 0.08, "peeking at a plain test is caught here"


def test_a_real_lift_is_found_by_the_users_that_were_stated():
    """Stated: 80 % by then. The interval holds the truth, and never lies on the wrong side."""
    pilot = simulate(World(users=2000, views=20.0), 1, 1, seed=0)
    deviation = deviation_of(ratio_of(pilot.accepted_SLU[0, 0], pilot.views_SLU[0, 0], share=True))
    needed = users_needed(0.15, deviation)
    assert 100 < needed < 600
    seen = simulate(World(users=needed, views=20.0, lift=0.15), 60, 10, seed=1)
    found = seen.acceptance(0.15)
    assert (found.low > 0).any(axis=1).mean() >= 0.75
    assert not (found.high < 0).any()
    early = simulate(World(users=needed // 8, views=20.0, lift=0.15), 60, 10, seed=1).acceptance(0.15)
    assert (early.low > 0).any(axis=1).mean() < 0.5


@pytest.mark.parametrize("users", [30, 200, 5000])
def test_with_the_users_there_are_no_other_expectation_sees_more(users):
    visible, expected = visible_with(users, 0.3)
    variance = 0.3**2 * 4 / users
    narrow = half_width(variance, MANY, expected, 0.05)
    assert float(narrow) == pytest.approx(3.04 * np.sqrt(variance), rel=0.01)
    for other in (expected / 3, expected / 1.5, expected * 1.5, expected * 3):
        assert half_width(variance, MANY, other, 0.05) > narrow
    assert visible == pytest.approx(float(narrow) + 0.8416 * np.sqrt(variance), rel=1e-3)


@settings(max_examples=40)
@given(st.floats(0.005, 0.2), st.floats(0.05, 1.0), st.floats(0.05, 0.95))
def test_smaller_lifts_and_uneven_splits_need_more_users(lift, deviation, share):
    even = users_needed(lift, deviation)
    assert users_needed(lift / 2, deviation) > even
    assert users_needed(lift, deviation, (share, 1 - share)) >= even


@pytest.mark.parametrize("wrong", [(0.0, 0.2), (0.05, 0.0), (0.05, float("nan"))])
def test_what_cannot_be_planned_is_refused(wrong):
    with pytest.raises(ValueError, match="positive"):
        users_needed(*wrong)
