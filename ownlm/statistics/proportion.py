"""A proportion and how sure it is."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""A standard normal variable is within this of zero with probability 0.95."""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927): keeps its meaning at 0 and at few trials.

    Trials are taken as independent; lines of one file are a little less than that.

    Raises:
        ValueError: without trials.
    """
    if trials < 1:
        raise ValueError("a proportion needs at least one trial")
    share, z2 = successes / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)
