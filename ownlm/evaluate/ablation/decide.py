"""Is one version of the data better than the other, or is it noise? Two sorts of noise, both counted:

    between seeds      another order and other weights give another model: s^2 / n of each version (Welch 1947)
    between documents  other held-out documents give other differences: bootstrap over documents, paired

A figure is sum of numerators / sum of denominators over documents, e.g. bits / bytes; of a version, the mean over its
seeds. The standard error of the difference adds both variances; t has Welch-Satterthwaite's degrees of freedom, few
with few seeds, so that three seeds need a clear difference. One seed says nothing about noise, and nothing is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
RESAMPLES = 1000


@dataclass(frozen=True)
class Difference:
    """One figure of two versions.

    Attributes:
        a: of each seed of A.
        b: of each seed of B.
        documents: they were measured on.
        seed_error: standard error of the difference from seeds; None: one seed.
        document_error: and from documents.
        degrees: of freedom.
        low: of the 95 % interval of B - A; None: one seed.
        high: of that interval.
        p: two-sided; None: one seed.
        lower_is_better: as with bits.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    documents: int
    seed_error: float | None
    document_error: float
    degrees: float | None
    low: float | None
    high: float | None
    p: float | None
    lower_is_better: bool

    @property
    def value(self) -> float:
        """B - A."""
        return float(np.mean(self.b) - np.mean(self.a))

    @property
    def error(self) -> float | None:
        """Standard error of B - A; None: one seed."""
        return None if self.seed_error is None else float(np.hypot(self.seed_error, self.document_error))

    @property
    def better(self) -> Literal["a", "b"] | None:
        """Who; None where that cannot be told."""
        if self.p is None or self.p >= ALPHA or self.value == 0:
            return None
        return "b" if (self.value < 0) == self.lower_is_better else "a"

    @property
    def visible(self) -> float | None:
        """The difference from which on one would have been seen."""
        return None if self.high is None or self.low is None else (self.high - self.low) / 2


def decide(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    denominators: Sequence[float],
    *,
    lower_is_better: bool,
    seed: int = 0,
) -> Difference:
    """Compare.

    Args:
        a: numerators, seeds x documents.
        b: the same of the other version, for the same documents.
        denominators: one a document.
        lower_is_better: as with bits.
        seed: of the bootstrap.
    """
    a_SD, b_SD, sizes_D = np.asarray(a, float), np.asarray(b, float), np.asarray(denominators, float)
    figures = [one.sum(axis=1) / sizes_D.sum() for one in (a_SD, b_SD)]
    document_error = _document_error(b_SD.mean(axis=0) - a_SD.mean(axis=0), sizes_D, seed)
    known = (tuple(map(float, figures[0])), tuple(map(float, figures[1])), len(sizes_D))
    if min(map(len, figures)) < 2:
        return Difference(*known, None, document_error, None, None, None, None, lower_is_better)
    parts = [(float(one.var(ddof=1)) / len(one), len(one) - 1) for one in figures]
    seed_error = float(np.sqrt(sum(part for part, _ in parts)))
    parts.append((document_error**2, max(1, len(sizes_D) - 1)))
    total = sum(part for part, _ in parts)
    difference = float(figures[1].mean() - figures[0].mean())
    if total == 0:
        p = 1.0 if difference == 0 else 0.0
        return Difference(*known, 0.0, 0.0, None, difference, difference, p, lower_is_better)
    degrees = total**2 / sum(part**2 / free for part, free in parts)
    p, reach = _student(abs(difference) / total**0.5, degrees)
    half = reach * total**0.5
    low, high = difference - half, difference + half
    return Difference(*known, seed_error, document_error, degrees, low, high, p, lower_is_better)


def _document_error(differences_D: NDArray[np.float64], sizes_D: NDArray[np.float64], seed: int) -> float:
    """Standard deviation of sum(differences) / sum(sizes) over draws of documents."""
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(sizes_D), (RESAMPLES, len(sizes_D)))
    return float((differences_D[drawn].sum(axis=1) / sizes_D[drawn].sum(axis=1)).std())


def _student(t: float, degrees: float) -> tuple[float, float]:
    """Two-sided p of a t, and the t that 95 % stay below."""
    from scipy.special import stdtr, stdtrit

    return float(2 * stdtr(degrees, -t)), float(stdtrit(degrees, 1 - ALPHA / 2))
