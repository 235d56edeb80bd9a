"""The sample-ratio alarm: a martingale exactly, and how often it is wrong and right."""

from __future__ import annotations

from itertools import product
from math import exp, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.live.experiments.sample_ratio import ALPHA, log_evidence, mismatch_p


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_its_mean_is_one_when_assignment_is_right(shares):
    length = 7
    mean = 0.0
    for arms in product(range(len(shares)), repeat=length):
        counts = [arms.count(arm) for arm in range(len(shares))]
        mean += prod(shares[arm] for arm in arms) * exp(log_evidence(counts, shares))
    assert mean == pytest.approx(1.0)


def one_by_one(in_b: np.ndarray) -> list[tuple[int, int]]:
    """Users that come one after another."""
    return [(0, 1) if one else (1, 0) for one in in_b]


arms = st.lists(st.sampled_from([(1, 0), (0, 1), (3, 2)]), max_size=60)


@given(arms, arms)
def test_evidence_once_seen_is_not_forgotten(first, more):
    assert mismatch_p(first + more, (0.5, 0.5)) <= mismatch_p(first, (0.5, 0.5)) <= 1.0


def test_alarms_are_rare_without_and_sure_with_a_mismatch():
    draw = np.random.default_rng(5)
    right = [mismatch_p(one_by_one(draw.random(1000) < 0.5), (0.5, 0.5)) < ALPHA for _ in range(150)]
    wrong = [mismatch_p(one_by_one(draw.random(1000) < 0.4), (0.5, 0.5)) < ALPHA for _ in range(40)]
    assert np.mean(right) <= ALPHA * 2
    assert np.mean(wrong) > 0.9
    assert mismatch_p(one_by_one(draw.random(1000) < 0.1), (0.9, 0.1)) > ALPHA, "90/10 is no mismatch"
