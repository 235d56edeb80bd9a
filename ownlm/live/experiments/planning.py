"""Before an experiment begins: how many users it needs, from what the channel's users did until now."""

from __future__ import annotations

import numpy as np

from ownlm.errors import RecipeError
from ownlm.live.experiments.compare import LIFTS, METRICS, RELATIVE, Metric, mean_of
from ownlm.live.experiments.observed import Arm
from ownlm.live.experiments.power import deviation_of, users_needed, visible_with
from ownlm.live.rollout.state import Plan

_LEAST_USERS = 10
_ASSUMED = {"acceptance": 0.22, "characters": 1.2, "latency": 0.6}
"""Deviations of one user where nothing is known: 30 % acceptance, 50 views a user, users who differ as ours did."""

LOOK_BACK_DAYS = 28
LOOK_BACK_S = LOOK_BACK_DAYS * 86_400.0


def plan(metric: str, lift: float | None, shares: tuple[float, float], past: Arm | None) -> Plan:
    """What to say before it begins.

    Args:
        metric: that decides.
        lift: smallest difference that matters; None for the usual one.
        shares: of users in A and in B.
        past: the channel's users of the last weeks; None when nothing is known of them.

    Raises:
        RecipeError: there is no such metric, or the lift is no number between 0 and 1.
    """
    if metric not in METRICS:
        raise RecipeError(f"there is no metric {metric!r}", where="--metric", advice=f"one of: {', '.join(METRICS)}")
    known: Metric = metric
    lift = LIFTS[known] if lift is None else lift
    if not 0 < lift < 1:
        raise RecipeError("a difference that matters is above 0 and below 100", where="--lift", advice="e.g. 2")
    relative = known in RELATIVE
    effect = float(np.log1p(lift)) if relative else lift
    deviation, users = _measured(past, known)
    if deviation is None:
        needed = users_needed(effect, _ASSUMED[known], shares)
        return Plan(metric=known, lift=lift, users=needed, assumed="assumed: no feedback of enough users yet")
    needed, said = users_needed(effect, deviation, shares), f"{users:,} users of the last {LOOK_BACK_DAYS} days"
    if users >= needed:
        return Plan(metric=known, lift=lift, users=needed, assumed=said)
    # More users than there are will hardly come: the test is made for those, or its interval would be needlessly wide.
    visible, expected = visible_with(users, deviation, shares)
    visible = float(np.expm1(visible)) if relative else visible
    return Plan(metric=known, lift=lift, users=needed, expected=expected, visible=visible, assumed=said)


def _measured(past: Arm | None, metric: Metric) -> tuple[float | None, int]:
    """Deviation of one user, and users it was measured on; None where they are too few."""
    if past is None:
        return None, 0
    ratio = mean_of(past, metric)
    deviation, users = deviation_of(ratio.log() if metric in RELATIVE else ratio), int(ratio.users)
    return (deviation, users) if users >= _LEAST_USERS and deviation > 0 else (None, users)
