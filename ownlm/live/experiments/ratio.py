"""A mean over events (views, completions) of users: sum of what they did / number of their events, and how sure it is.

Events of one user are alike, so that users, not events, are the independent draws: the variance is the jackknife's
over users (Efron and Stein 1981; for clusters it is the CR3 variance of MacKinnon and White 1985). It is a little too
large rather than too small when a few users make most of the events, which is how users are.

Shapes: a last axis U of users; any axes before it (the simulation has one of repetitions, one of looks).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """Means and how sure they are; each array has the shape of the data without its last axis.

    Attributes:
        value: sum / count; nan without events.
        variance: of `value`; infinite with fewer than two users.
        freedom: degrees of freedom of `variance`: the number of users, had all the same number of events, less one.
        users: with events.
        events: of all users.
    """

    value: Floats
    variance: Floats
    freedom: Floats
    users: Floats
    events: Floats

    def log(self) -> Ratio:
        """The logarithm of the mean, by the delta method; nan where the mean is not above zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(self.value > 0, np.log(np.where(self.value > 0, self.value, 1.0)), np.nan)
            variance = np.where(self.value > 0, self.variance / self.value**2, np.inf)
        return Ratio(value, variance, self.freedom, self.users, self.events)


def ratio_of(sums_U: ArrayLike, counts_U: ArrayLike, *, share: bool = False) -> Ratio:
    """The mean of an arm.

    Args:
        sums_U: what each user's events add up to.
        counts_U: events of each user, not negative; users without any do not count.
        share: each event is 0 or 1: the variance is then at least that of independent events, so that a few users who
            all refused do not pass for certainty.
    """
    sums, counts = np.asarray(sums_U, dtype=np.float64), np.asarray(counts_U, dtype=np.float64)
    sums = np.where(counts > 0, sums, 0.0)
    total, events = sums.sum(axis=-1), counts.sum(axis=-1)
    users = np.count_nonzero(counts > 0, axis=-1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = total / events
        left = (total[..., None] - sums) / (events[..., None] - counts)
        squares = np.where(counts > 0, (left - value[..., None]) ** 2, 0.0).sum(axis=-1)
        variance = np.where(users > 1, squares * (users - 1) / users, np.inf)
        freedom = np.where(users > 1, events**2 / (counts**2).sum(axis=-1) - 1, 0.0)
    if share:
        smooth = (total + 1) / (events + 2)
        variance = np.maximum(variance, smooth * (1 - smooth) / np.maximum(events, 1))
    return Ratio(value, variance, freedom, users, events)
