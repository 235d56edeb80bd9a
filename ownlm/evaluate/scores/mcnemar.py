"""McNemar's test (1947), exact: do two models, asked the same problems once each, differ by more than chance?

Only problems that one of them solves and the other does not tell them apart. If both were equally good, each such
problem would be a fair coin: p is the chance of a split at least as uneven, the two-sided binomial test.
"""

from __future__ import annotations


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p-value.

    Args:
        only_a: problems A solves and B does not.
        only_b: problems B solves and A does not.

    Raises:
        ValueError: a count is negative.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"problems cannot be fewer than none: {only_a}, {only_b}")
    uneven, fewer = only_a + only_b, min(only_a, only_b)
    # Whole numbers all the way: no count of problems is too large for a float's exponent.
    term = tail = 1
    for i in range(fewer):
        term = term * (uneven - i) // (i + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << uneven))
