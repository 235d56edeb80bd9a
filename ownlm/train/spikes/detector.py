"""When a step is a spike: a pure function of the losses and gradients before it.

    score = max( loss_sigmas / limit,  grad_sigmas / limit,  2 * the smaller of both )        a spike from 1 on

One sign is enough at its limit, and half of it where both agree. A sign's sigmas are its distance above the median of
the window in units of 1.4826 * MAD (the median distance to the median: a normal distribution's deviation, which up to
half of all values cannot move, however wrong they are; Hampel 1974). The gradient's length is taken as its logarithm,
for it is skewed. The steps that were called spikes stay in the window: a lasting change is usual after half of it.

The loss of a run that still falls lies below the window's median, and the window is wider for it: spikes there must be
higher to be found, and none is found that is not there. See docs/spikes.md for rates of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ownlm.train.spikes.config import SpikesConfig

_NORMAL = 1.4826
_LEAST_SPREAD = 1e-3
"""Of the loss as a part of its median, and of the gradient's logarithm: what differs by less is noise."""

Seen = tuple[float, float]
"""A step's loss (nats a token) and its gradient's length."""


@dataclass(frozen=True)
class Verdict:
    """What there is to say of a step.

    Attributes:
        loss_sigmas: its loss above the window's median; 0 while there is no window.
        grad_sigmas: the same of its gradient's length.
        score: from 1 on it is a spike; infinite for what is not a number.
    """

    loss_sigmas: float
    grad_sigmas: float
    score: float

    @property
    def is_spike(self) -> bool:
        """Whether it is one."""
        return self.score >= 1.0


def judge(history: Sequence[Seen], step: int, seen: Seen, config: SpikesConfig) -> Verdict:
    """Look at one step.

    Args:
        history: of the steps before, oldest first; only the last `config.window` are looked at.
        step: its number, from 1.
        seen: its loss and gradient.
        config: the limits.
    """
    if not all(map(math.isfinite, seen)):
        return Verdict(math.inf, math.inf, math.inf)
    window = [past for past in history[-config.window :] if all(map(math.isfinite, past))]
    if step <= config.warmup_steps or len(window) < config.window // 2:
        return Verdict(0.0, 0.0, 0.0)
    losses, norms = np.array(window).T
    loss = _sigmas(seen[0], losses, _LEAST_SPREAD * abs(float(np.median(losses))))
    grad = _sigmas(_log(seen[1]), np.array([_log(norm) for norm in norms]), _LEAST_SPREAD)
    parts = loss / config.loss_sigmas, grad / config.grad_sigmas
    return Verdict(loss, grad, max(*parts, 2 * min(parts)))


def _sigmas(value: float, before: np.ndarray[tuple[int], np.dtype[np.float64]], least: float) -> float:
    median = float(np.median(before))
    spread = _NORMAL * float(np.median(np.abs(before - median)))
    return (value - median) / max(spread, least, 1e-12)


def _log(norm: float) -> float:
    return math.log(max(norm, 1e-30))


class Detector:
    """The window, kept as a run goes on.

    Args:
        config: the limits.
    """

    def __init__(self, config: SpikesConfig) -> None:
        self._config = config
        self.history: list[Seen] = []

    def look(self, step: int, seen: Seen) -> Verdict:
        """Judge a step by those before it, and take it into the window."""
        verdict = judge(self.history, step, seen, self._config)
        self.history = [*self.history[1 - self._config.window :], seen]
        return verdict
