"""Means over users' events against a slow reference, and what must hold for all users."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.live.experiments.ratio import ratio_of

users = st.lists(st.tuples(st.floats(0, 50), st.integers(0, 50)), min_size=2, max_size=12)


def slow(pairs: list[tuple[float, int]]) -> tuple[float, float]:
    """The jackknife as it is written in the books: leave one user out, again and again."""
    there = [(total, count) for total, count in pairs if count]
    whole = sum(total for total, _ in pairs) / sum(count for _, count in there)
    without = []
    for out in range(len(there)):
        rest = [pair for number, pair in enumerate(there) if number != out]
        without.append(sum(total for total, _ in rest) / sum(count for _, count in rest))
    return whole, (len(there) - 1) / len(there) * sum((one - whole) ** 2 for one in without)


@given(users)
def test_it_is_the_jackknife_over_users_with_events(pairs):
    pairs = [(total if count else 0.0, count) for total, count in pairs]
    if sum(count > 0 for _, count in pairs) < 2:
        return
    found = ratio_of([total for total, _ in pairs], [count for _, count in pairs])
    value, variance = slow(pairs)
    assert float(found.value) == pytest.approx(value)
    assert float(found.variance) == pytest.approx(variance, rel=1e-6, abs=1e-9)


@given(users, st.randoms())
def test_the_order_of_users_says_nothing(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, other = (ratio_of(*np.asarray(order, dtype=float).T) for order in (pairs, shuffled))
    for name in ("value", "variance", "freedom"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-9)


def test_one_user_says_nothing_about_others():
    found = ratio_of([3.0, 0.0], [10, 0])
    assert float(found.value) == 0.3
    assert np.isinf(found.variance)


def test_users_who_all_refused_are_not_certain():
    assert float(ratio_of([0.0] * 4, [2] * 4).variance) == 0.0
    assert float(ratio_of([0.0] * 4, [2] * 4, share=True).variance) > 0.005


def test_a_user_with_most_views_leaves_few_degrees_of_freedom():
    assert float(ratio_of([1.0] * 10, [5] * 10).freedom) == pytest.approx(9.0)
    assert float(ratio_of([1.0] * 10, [5] * 9 + [5000]).freedom) < 0.1


def test_variance_counts_users_and_not_views():
    few_alike = ratio_of([90.0, 10.0] * 5, [100, 100] * 5, share=True)
    assert float(few_alike.variance) > 10 * 0.5 * 0.5 / 1000


def test_any_axes_stand_before_users():
    draw = np.random.default_rng(0)
    sums, counts = draw.random((3, 4, 9)), draw.integers(1, 9, (3, 4, 9))
    found = ratio_of(sums, counts)
    assert found.value.shape == (3, 4)
    one = ratio_of(sums[2, 1], counts[2, 1])
    assert float(found.variance[2, 1]) == pytest.approx(float(one.variance))


def test_logarithms_follow_the_delta_method():
    plain = ratio_of([10.0, 14.0, 9.0], [5, 5, 5])
    assert float(plain.log().value) == pytest.approx(np.log(33 / 15))
    assert float(plain.log().variance) == pytest.approx(float(plain.variance) / (33 / 15) ** 2)
    assert np.isnan(ratio_of([0.0, 0.0], [5, 5]).log().value)
