"""Sample-ratio mismatch: did the arms get the users they should have? If not, something loses users of one arm.

Each new user falls into an arm with known chances. The marginal likelihood of the counts under a Dirichlet prior
around these chances, divided by their likelihood, is a martingale when assignment is as it should be, so that it ever
reaches 1/alpha with a probability of at most alpha: one may look after every user (Lindon and Malek 2022). Exact, not
asymptotic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, lgamma, log

ALPHA = 0.01
"""A right assignment is called wrong at most this often, over the whole of an experiment."""

_CONCENTRATION = 100.0
"""Of the prior: shares that are wrong by about five points are expected; others are found, a little later."""


def log_evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The logarithm of the martingale above.

    Args:
        counts: users of each arm.
        shares: chances of each arm, positive, 1 together.
    """
    prior = [_CONCENTRATION * share for share in shares]
    value = lgamma(_CONCENTRATION) - lgamma(_CONCENTRATION + sum(counts))
    for count, share, weight in zip(counts, shares, prior, strict=True):
        value += lgamma(weight + count) - lgamma(weight) - count * log(share)
    return value


def mismatch_p(joined: Iterable[Sequence[int]], shares: Sequence[float]) -> float:
    """Always-valid p-value of a right assignment: the smallest of all looks.

    Args:
        joined: users of each arm that came between one look and the next.
        shares: chances of each arm.
    """
    counts = [0] * len(shares)
    most = 0.0
    for new in joined:
        counts = [count + more for count, more in zip(counts, new, strict=True)]
        most = max(most, log_evidence(counts, shares))
    return exp(-most)
