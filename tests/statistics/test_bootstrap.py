from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.statistics.bootstrap import RESAMPLES, cluster_interval, mean_interval, ratio_interval, resampled_means
from ownlm.statistics.proportion import wilson_interval


def test_bootstrap_surrounds_the_ratio_and_repeats() -> None:
    bits, sizes = [100.0, 220.0, 90.0, 400.0, 130.0], [60, 100, 55, 190, 70]
    low, high = ratio_interval(bits, sizes, seed=3)
    assert low < sum(bits) / sum(sizes) < high
    assert (low, high) == ratio_interval(bits, sizes, seed=3)
    assert ratio_interval([2.0], [1.0], seed=0) == (2.0, 2.0)


def test_bootstrap_narrows_with_more_documents() -> None:
    few = ratio_interval([1.0, 3.0] * 5, [1.0, 1.0] * 5, seed=0)
    many = ratio_interval([1.0, 3.0] * 500, [1.0, 1.0] * 500, seed=0)
    assert many[1] - many[0] < (few[1] - few[0]) / 3
    assert math.isclose(sum(many) / 2, 2.0, abs_tol=0.05)


def slow_means(values: list[float], seed: int, resamples: int) -> list[float]:
    """Problems drawn one by one."""
    generator = np.random.default_rng(seed)
    return [
        sum(values[i] for i in generator.integers(0, len(values), len(values))) / len(values) for _ in range(resamples)
    ]


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=2, max_size=12), st.integers(0, 2**32))
@settings(max_examples=10)
def test_means_drawn_again_are_distributed_as_if_drawn_one_by_one(values: list[float], seed: int) -> None:
    fast, slow = resampled_means(values, seed, 4000), slow_means(values, seed + 1, 4000)
    spread = np.std(values) / len(values) ** 0.5
    assert abs(fast.mean() - np.mean(slow)) <= 0.12 * spread + 1e-12
    assert fast.std() == pytest.approx(np.std(slow), rel=0.12, abs=1e-12)
    assert fast.std() == pytest.approx(spread, rel=0.1, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_interval_of_a_mean_lies_within_the_values_and_repeats(values: list[float]) -> None:
    low, high = mean_interval(values, seed=1)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert mean_interval(values, seed=1) == (low, high)


def test_a_mean_needs_values() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([], seed=0)


def naive_cluster_interval(clusters: Sequence[tuple[int, int]], seed: int) -> tuple[float, float]:
    """Whole clusters drawn again, one resample after the other."""
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(4 * RESAMPLES):
        drawn = [clusters[place] for place in rng.integers(0, len(clusters), len(clusters))]
        ratios.append(sum(a for a, _ in drawn) / sum(b for _, b in drawn))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def test_the_cluster_interval_is_that_of_drawing_clusters() -> None:
    rng = np.random.default_rng(1)
    clusters = [(int(rng.binomial(n, rng.beta(2, 5))), int(n)) for n in rng.integers(1, 60, 40)]
    found, slow = cluster_interval(clusters, 0), naive_cluster_interval(clusters, 0)
    assert found == pytest.approx(slow, abs=0.01)
    assert cluster_interval(clusters[::-1], 0) == found


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of users with very different rates; Wilson's, which takes looks as independent, does not."""
    rng = np.random.default_rng(2)
    hits: Counter[str] = Counter()
    for seed in range(100):
        rates, trials = rng.beta(2, 5, 60), rng.integers(20, 80, 60)
        clusters = [(int(rng.binomial(n, p)), int(n)) for p, n in zip(rates, trials, strict=True)]
        low, high = cluster_interval(clusters, seed)
        wilson = wilson_interval(sum(a for a, _ in clusters), sum(b for _, b in clusters))
        hits["clusters"] += low <= 2 / 7 <= high
        hits["wilson"] += wilson[0] <= 2 / 7 <= wilson[1]
    assert hits["clusters"] >= 90
    assert hits["wilson"] < 75
