"""Percentile bootstrap (Efron 1979): how a figure varies when what it was measured on is drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_AT_ONCE = 100


def percentile_interval(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of a figure's draws."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of sum(numerators) / sum(denominators), drawing whole documents.

    Args:
        numerators: one a document, e.g. bits.
        denominators: one a document, positive, e.g. bytes.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(numerators), (RESAMPLES, len(numerators)))
    return percentile_interval(np.asarray(numerators)[drawn].sum(axis=1) / np.asarray(denominators)[drawn].sum(axis=1))


def resampled_means(values: Sequence[float], seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Means of `values` drawn again with replacement, `resamples` of them.

    How often each value is drawn follows a multinomial distribution over equal chances, so a draw of the whole set is
    a row of counts; equal values share one column, which makes thousands of problems with few samples cheap.

    Args:
        values: one a problem, at least one.
        seed: of the draws.
        resamples: how many.
    """
    different, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(values), counts / len(values), resamples)
    return np.asarray(drawn @ different / len(values), dtype=np.float64)


def mean_interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean over problems.

    Args:
        values: one a problem, at least one.
        seed: of the draws.

    Raises:
        ValueError: without values.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    return percentile_interval(resampled_means(values, seed))


def cluster_interval(clusters: Sequence[tuple[int, int]], seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of sum(successes) / sum(trials), drawing whole clusters.

    Cameron, Gelbach, Miller 2008. Equal clusters are one column of a multinomial draw, as in `resampled_means`; their
    order does not count, as it does in `ratio_interval`.

    Args:
        clusters: (successes, trials) each, in any order; trials are positive.
        seed: of the draws.
    """
    different, counts = np.unique(np.asarray(clusters, dtype=np.float64), axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    ratios = []
    for _ in range(0, RESAMPLES, _AT_ONCE):
        drawn = generator.multinomial(len(clusters), counts / len(clusters), _AT_ONCE)
        successes, trials = (drawn @ different).T
        ratios.append(successes / trials)
    return percentile_interval(np.concatenate(ratios))
