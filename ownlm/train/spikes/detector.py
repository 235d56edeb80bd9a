"""When a step is a spike: a pure function of the losses and gradients before it.

    score = max( loss_sigmas / limit,  grad_sigmas / limit,  1.5 * the smaller of both )      a spike from 1 on

One sign is enough at its limit, and two thirds of it where both agree. A sign's sigmas are its distance above the
median of the window in units of 1.4826 * MAD (the median distance to the median: a normal distribution's deviation,
which up to half of all values cannot move, however wrong they are; Hampel 1974). The gradient's length is taken as its
logarithm, for it is skewed. The steps that were called spikes stay in the window: a lasting change is usual after half
of it.

The loss of a run that still falls lies below the window's median, and the window is wider for it: spikes there must be
higher to be found, and none is found that is not there. See docs/spikes.md for rates of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ownlm.train.spikes.config import SpikesConfig

_NORMAL = 1.4826
_LEAST_SPREAD = 1e-3
"""Of the loss as a part of its median, and of the gradient's logarithm: what differs by less is noise."""

_SHORTEST = 1e-30
"""A gradient of no length has a logarithm, too."""

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
    window_W2 = np.array(history[-config.window :] or np.empty((0, 2)))
    window_W2 = window_W2[np.isfinite(window_W2).all(axis=1)]
    if step <= config.warmup_steps or len(window_W2) < config.window // 2:
        return Verdict(0.0, 0.0, 0.0)
    losses_W, norms_W = window_W2.T
    loss = _sigmas(seen[0], losses_W, _LEAST_SPREAD * abs(_median(losses_W)))
    grad = _sigmas(math.log(max(seen[1], _SHORTEST)), np.log(np.maximum(norms_W, _SHORTEST)), _LEAST_SPREAD)
    parts = loss / config.loss_sigmas, grad / config.grad_sigmas
    return Verdict(loss, grad, max(*parts, 1.5 * min(parts)))


def _sigmas(value: float, before_W: npt.NDArray[np.float64], least: float) -> float:
    median = _median(before_W)
    spread = _NORMAL * _median(np.abs(before_W - median))
    return (value - median) / max(spread, least, 1e-12)


def _median(values: npt.NDArray[np.float64]) -> float:
    """As `numpy.median`, at a fifth of the time for so few."""
    ordered, middle = np.sort(values), len(values) // 2
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


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
