"""Guard-rails: is a new version worse than allowed, so surely that chance is ruled out however often one looks?

Errors and slow answers, of requests: under "each request fails with a chance of at most p0, whatever came before" the
likelihood ratio of a larger chance is a supermartingale, and so is a mixture of them over chances and over the time
at which it began to be worse; it ever reaches 1/alpha with a probability of at most alpha (Ville 1939; Shin, Ramdas and
Rinaldo 2022). No independence is needed. "95 % of answers within t" is the same with "later than t" and p0 = 5 %.

Acceptance, of users: the always-valid interval of the difference to the old version (`experiments.sequential`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log

import numpy as np

from ownlm.live.experiments.ratio import ratio_of
from ownlm.live.experiments.sequential import difference
from ownlm.live.rollout.state import GuardRails

ALPHA = 0.01
"""A version that is as good as allowed is taken back at most this often, for each of the three rails."""

SLOW_SHARE = 0.05
"""Of answers that may be later than the limit."""

_FACTORS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
"""Larger chances that are looked for, as multiples of the one allowed."""

_LEAST_EXPECTED = 0.02


@dataclass(frozen=True)
class Block:
    """Requests between two looks.

    Attributes:
        requests: answered, in any way.
        errors: of these, failed.
        answers: with text, whose time is known.
        slow: of these, later than the limit.
    """

    requests: int = 0
    errors: int = 0
    answers: int = 0
    slow: int = 0


Users = Mapping[str, tuple[int, int]]
"""User -> (choices shown, accepted of these)."""


@dataclass
class Watched:
    """What is known of a new version since its switch.

    Attributes:
        blocks: in order of time.
        new: users of the new version.
        old: users of the old version in the same time; empty when everybody has the new one.
    """

    blocks: list[Block] = field(default_factory=list)
    new: Users = field(default_factory=dict)
    old: Users = field(default_factory=dict)


def evidence(blocks: Sequence[tuple[int, int]], allowed: float) -> float:
    """The logarithm of the mixture above; it reaches log(1/alpha) by chance with a probability of at most alpha.

    Args:
        blocks: (requests, bad ones of these), in order of time.
        allowed: chance that a request may be bad, between 0 and 1.
    """
    if not blocks:
        return 0.0
    counts = np.asarray(blocks, dtype=np.float64)
    worse = np.array([factor * allowed for factor in _FACTORS if factor * allowed < 1] or [(1 + allowed) / 2])
    bad, good = counts[:, 1], counts[:, 0] - counts[:, 1]
    gained = np.outer(bad, np.log(worse / allowed)) + np.outer(good, np.log((1 - worse) / (1 - allowed)))
    since = gained[::-1].cumsum(axis=0)[::-1]  # from block j to the last one
    starts = np.arange(1, len(blocks) + 1)
    weights = -np.log(starts * (starts + 1.0))  # 1/(j (j+1)) of all weight begins at block j; the rest has not begun
    mixed = _log_sum(since - log(len(worse)) + weights[:, None])
    return float(np.logaddexp(mixed, -log(len(blocks) + 1)))


def broken(watched: Watched, guards: GuardRails) -> str:
    """Why the new version is to be taken back, in words; "" while there is no reason.

    Args:
        watched: since the switch.
        guards: what is allowed.
    """
    requests = sum(block.requests for block in watched.blocks)
    if requests < guards.least:
        return ""
    limit = log(1 / ALPHA)
    if guards.errors is not None:
        found = evidence([(block.requests, block.errors) for block in watched.blocks], guards.errors)
        if found >= limit:
            errors = sum(block.errors for block in watched.blocks)
            return f"errors: {errors:,} of {requests:,} requests, allowed are {guards.errors:.2%} ({_sure(found)})"
    if guards.slow_s is not None:
        found = evidence([(block.answers, block.slow) for block in watched.blocks], SLOW_SHARE)
        if found >= limit:
            slow, answers = sum(block.slow for block in watched.blocks), sum(block.answers for block in watched.blocks)
            share = f"{slow / answers:.1%} of {answers:,} answers took longer than {guards.slow_s:g} s"
            return f"p95: {share}, allowed are {SLOW_SHARE:.0%} ({_sure(found)})"
    return "" if guards.acceptance_drop is None else _dropped(watched, guards.acceptance_drop)


def _dropped(watched: Watched, allowed: float) -> str:
    if not watched.old or not watched.new:
        return ""
    old, new = (
        ratio_of([accepted for _, accepted in side.values()], [shown for shown, _ in side.values()], share=True)
        for side in (watched.old, watched.new)
    )
    # Only one side of the interval can take a version back: twice alpha leaves alpha on that side.
    found = difference(old, new, expected=max(allowed, _LEAST_EXPECTED), alpha=2 * ALPHA)
    if float(found.high) >= -allowed:
        return ""
    return (
        f"acceptance: {float(new.value):.1%} against {float(old.value):.1%} of the old version, at least "
        f"{-100 * float(found.high):.1f} points lower, allowed are {100 * allowed:g} ({len(watched.new):,} users)"
    )


def _log_sum(values: np.ndarray) -> float:
    most = values.max()
    return float(most + np.log(np.exp(values - most).sum()))


def _sure(found: float) -> str:
    return f"chance of a false alarm below {exp(-min(found, 20.0)):.1g}"
