"""Percentile bootstrap (Efron 1979): how a figure varies when what it was measured on is drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float], seed: int) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of sum(numerators) / sum(denominators), drawing whole documents.

    Args:
        numerators: one a document, e.g. bits.
        denominators: one a document, positive, e.g. bytes.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(numerators), (RESAMPLES, len(numerators)))
    ratios = np.asarray(numerators)[drawn].sum(axis=1) / np.asarray(denominators)[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


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
    low, high = np.quantile(resampled_means(values, seed), [0.025, 0.975])
    return float(low), float(high)
