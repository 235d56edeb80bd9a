"""How many users an experiment needs: said before it starts, and on the way.

With U users, of which a share goes to each arm, the variance of the difference is close to s^2 (1 / U_a + 1 / U_b),
where s is the deviation of one user's contribution (`deviation_of`). The experiment ends by then with the chance
`POWER` when the lift is as large as half the always-valid interval plus what luck may take away. It often ends
earlier.
"""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np

from ownlm.live.experiments.ratio import Ratio
from ownlm.live.experiments.sequential import half_width

POWER = 0.8
_Z_POWER = 0.8416212335729143
"""A standard normal variable is below this with the chance `POWER`."""

_NARROWEST = 0.122
"""V / T^2 at which an interval of alpha = 5 % is narrowest, 3.04 standard errors to each side."""

_MOST = 1e9
_MANY = 1e9


def deviation_of(ratio: Ratio) -> float:
    """s above, of one arm (or of all users there were before an experiment); nan when it is not known."""
    with np.errstate(invalid="ignore"):  # nobody's variance is infinite
        known = bool(np.isfinite(ratio.variance)) and float(ratio.users) > 0
    return float(np.sqrt(ratio.variance * ratio.users)) if known else float("nan")


def users_needed(lift: float, deviation: float, shares: tuple[float, float] = (0.5, 0.5), alpha: float = 0.05) -> int:
    """Users of both arms after which a lift is seen with the chance `POWER`, looking all the time.

    Args:
        lift: difference of the means, in their unit; also what the test expects (`sequential.difference`).
        deviation: s above, in the same unit.
        shares: of the arms.
        alpha: of the interval.

    Raises:
        ValueError: something is not positive.
    """
    if not (lift > 0 and deviation > 0 and min(shares) > 0):
        raise ValueError("lift, deviation and shares must be positive")
    per_user = deviation**2 * (1 / shares[0] + 1 / shares[1])

    def seen(users: float) -> bool:
        variance = per_user / users
        return float(half_width(variance, _MANY, lift, alpha)) + _Z_POWER * sqrt(variance) <= lift

    low, high = 1.0, 2.0
    while not seen(high) and high < _MOST:
        low, high = high, high * 2
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return ceil(high)


def visible_with(
    users: int, deviation: float, shares: tuple[float, float] = (0.5, 0.5), alpha: float = 0.05
) -> tuple[float, float]:
    """What can be seen with the users there are, with the chance `POWER`; and what the test should expect for it.

    Args:
        users: of both arms together.
        deviation: s above.
        shares: of the arms.
        alpha: of the interval.

    Returns:
        The lift, and T of `sequential.difference` that makes the interval narrowest with so many users.
    """
    variance = deviation**2 * (1 / shares[0] + 1 / shares[1]) / users
    expected = sqrt(variance / _NARROWEST)
    return float(half_width(variance, _MANY, expected, alpha)) + _Z_POWER * sqrt(variance), expected
