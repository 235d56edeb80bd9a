"""Percentile bootstrap (Efron 1979): how a figure varies when the documents or problems it was measured on are drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
