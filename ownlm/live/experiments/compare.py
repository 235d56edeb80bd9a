"""The two arms compared: acceptance, kept characters and latency, each with its always-valid interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ownlm.live.experiments.observed import Arm, Arms
from ownlm.live.experiments.power import deviation_of, users_needed
from ownlm.live.experiments.ratio import Ratio, ratio_of
from ownlm.live.experiments.sequential import difference

Metric = Literal["acceptance", "characters", "latency"]
METRICS: tuple[Metric, ...] = ("acceptance", "characters", "latency")
NAMES = {"acceptance": "acceptance", "characters": "kept characters a view", "latency": "latency"}
RELATIVE: frozenset[str] = frozenset({"characters", "latency"})
"""Metrics whose difference is a part of A's value; acceptance differs in points."""

LIFTS = {"acceptance": 0.02, "characters": 0.05, "latency": 0.05}
"""Smallest difference that matters, where nobody says another: two points, five percent."""

ALPHA = 0.05


@dataclass(frozen=True)
class Compared:
    """One metric of both arms.

    Attributes:
        metric: which.
        a: mean of A; nan when there is none.
        b: of B.
        value: difference: B - A for acceptance, else B / A - 1; nan when there is none.
        low: of its always-valid interval; -inf (relative: -1) when nothing can be said.
        high: of it; inf when nothing can be said.
        p: always-valid p-value.
        lift: that matters.
        alpha: of the interval.
        users: of A and of B, with such events.
        events: views, or answers, of A and of B.
        deviation: of one user's contribution; see `power.deviation_of`.
    """

    metric: Metric
    a: float
    b: float
    value: float
    low: float
    high: float
    p: float
    lift: float
    alpha: float
    users: tuple[int, int]
    events: tuple[int, int]
    deviation: float

    @property
    def better(self) -> Literal["a", "b"] | None:
        """Who is better; None when that cannot be told."""
        if not (self.low > 0 or self.high < 0):
            return None
        return "b" if (self.low > 0) != (self.metric == "latency") else "a"

    @property
    def alike(self) -> bool:
        """No difference that matters: the whole interval is smaller than the lift."""
        return -self.lift < self.low and self.high < self.lift

    def users_missing(self, shares: tuple[float, float]) -> int | None:
        """About how many more users there must be to see the lift; None when nothing is known yet."""
        if not np.isfinite(self.deviation) or self.deviation <= 0:
            return None
        lift = np.log1p(self.lift) if self.metric in RELATIVE else self.lift
        return max(0, users_needed(float(lift), self.deviation, shares, self.alpha) - sum(self.users))

    def plain(self) -> dict[str, Any]:
        """For JSON: what is not a number is null."""
        return {
            name: (value if not isinstance(value, float) or np.isfinite(value) else None)
            for name, value in {**vars(self), "better": self.better}.items()
        }


def mean_of(arm: Arm, metric: Metric) -> Ratio:
    """The mean of an arm."""
    if metric == "acceptance":
        return ratio_of(arm.accepted_U, arm.shown_U, share=True)
    if metric == "characters":
        return ratio_of(arm.kept_U, arm.shown_U)
    return ratio_of(arm.seconds_U, arm.answers_U)


def compare(
    arms: Arms, metric: Metric, *, lift: float | None = None, expected: float | None = None, alpha: float = ALPHA
) -> Compared:
    """Compare the arms by one metric.

    Args:
        arms: A and B.
        metric: which.
        lift: smallest difference that matters, set before the experiment began; None for the usual one.
        expected: what the test expects (`sequential.difference`); None for the lift. Set before the experiment, too.
        alpha: how often the interval may be wrong at any of all looks.
    """
    lift = LIFTS[metric] if lift is None else lift
    a, b = (mean_of(arm, metric) for arm in arms)
    relative = metric in RELATIVE
    left, right = (a.log(), b.log()) if relative else (a, b)
    expected = (float(np.log1p(lift)) if relative else lift) if expected is None else expected
    found = difference(left, right, expected=expected, alpha=alpha)
    value, low, high, p = (float(one) for one in (found.value, found.low, found.high, found.p))
    if relative:
        with np.errstate(over="ignore"):
            value, low, high = (float(np.expm1(one)) for one in (value, low, high))
    elif np.isfinite(high):
        low, high = max(low, -1.0), min(high, 1.0)
    return Compared(
        metric,
        float(a.value),
        float(b.value),
        value,
        low,
        high,
        p,
        lift,
        alpha,
        (int(a.users), int(b.users)),
        (int(a.events), int(b.events)),
        _deviation(left, right),
    )


def _deviation(a: Ratio, b: Ratio) -> float:
    """Of one user, from both arms together."""
    known = [one for one in (deviation_of(a), deviation_of(b)) if np.isfinite(one)]
    return float(np.sqrt(np.mean(np.square(known)))) if known else float("nan")
