"""Before an experiment begins: how many users it needs, from what the channel's users did until now."""

from __future__ import annotations

import numpy as np

from ownlm.errors import RecipeError
from ownlm.live.experiments.compare import LIFTS, METRICS, RELATIVE, Metric, mean_of
from ownlm.live.experiments.observed import Arm
from ownlm.live.experiments.power import deviation_of, users_needed
from ownlm.live.rollout.state import Plan

_LEAST_USERS = 10
_ASSUMED = {"acceptance": 0.22, "characters": 1.2, "latency": 0.6}
"""Deviations of one user where nothing is known: 30 % acceptance, 50 views a user, users who differ as ours did."""

LOOK_BACK_S = 28 * 86_400.0


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
    deviation, said = _ASSUMED[known], "assumed: no feedback of enough users yet"
    if past is not None:
        ratio = mean_of(past, known)
        measured = deviation_of(ratio.log() if known in RELATIVE else ratio)
        if int(ratio.users) >= _LEAST_USERS and np.isfinite(measured) and measured > 0:
            deviation, said = measured, f"{int(ratio.users):,} users of the last {LOOK_BACK_S / 86_400:.0f} days"
    effect = float(np.log1p(lift)) if known in RELATIVE else lift
    return Plan(metric=known, lift=lift, users=users_needed(effect, deviation, shares), assumed=said)
