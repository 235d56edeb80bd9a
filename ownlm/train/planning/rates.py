"""Which learning rate is best, from finished runs at several: a parabola in its logarithm through the lowest ones.

loss
 |  x                     Losses near their minimum are about quadratic in log lr. The minimum of a least-squares
 |    x            x      parabola through the best run and its neighbours uses all of them, so the noise of a
 |      x  .--. x         single run moves it less than it moves the best run.
 +-------------------- log2 lr
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

import numpy as np

from ownlm.errors import TrainingError

NEIGHBOURS = 2
"""Rates on each side of the best that the parabola is fitted to."""
SURE = 2.0
"""Standard errors from which two means count as different."""

Edge = Literal["lowest", "highest"]


@dataclass(frozen=True)
class Trial:
    """One run of the proxy.

    Attributes:
        lr: its peak learning rate.
        seed: of weights and order.
        loss: at its end; None: it diverged.
    """

    lr: float
    seed: int
    loss: float | None


@dataclass(frozen=True)
class Rate:
    """All runs at one rate.

    Attributes:
        lr: the rate.
        mean: of their losses; None: one of them diverged.
        losses: of each that did not.
        alike: the mean cannot be told from the best one's by the noise between seeds.
    """

    lr: float
    mean: float | None
    losses: tuple[float, ...]
    alike: bool = False


@dataclass(frozen=True)
class Choice:
    """What the runs say.

    Attributes:
        lr: to use, two digits.
        rates: every rate tried, ascending.
        best: the tried rate with the lowest mean.
        noise: standard deviation between seeds; None: one seed.
        fitted: the parabola has a minimum among the runs, and `lr` is it; else `lr` is the best rate.
        edge: the best rate is the lowest or highest that was tried: the optimum may lie beyond.
    """

    lr: float
    rates: tuple[Rate, ...]
    best: float
    noise: float | None
    fitted: bool
    edge: Edge | None


def choose(trials: Sequence[Trial]) -> Choice:
    """The best learning rate.

    Raises:
        TrainingError: no rate trained without diverging.
    """
    rates = [_rate(lr, trials) for lr in sorted({trial.lr for trial in trials})]
    finished = [rate for rate in rates if rate.mean is not None]
    if not finished:
        raise TrainingError(
            "every learning rate diverged", where="--lrs", advice="try rates a hundred times lower, or a longer warm-up"
        )
    best = min(finished, key=_mean)
    noise = _noise(finished)
    seeds = max(len(rate.losses) for rate in rates)
    least = 0.0 if noise is None else SURE * noise * math.sqrt(2 / seeds)
    place = finished.index(best)
    near = finished[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
    vertex = _vertex(near)
    edge: Edge | None = "lowest" if best is rates[0] else "highest" if best is rates[-1] else None
    lr = best.lr if vertex is None else float(f"{vertex:.2g}")
    shown = [Rate(one.lr, one.mean, one.losses, one in finished and _mean(one) <= _mean(best) + least) for one in rates]
    return Choice(lr, tuple(shown), best.lr, noise, vertex is not None, edge)


def _rate(lr: float, trials: Sequence[Trial]) -> Rate:
    mine = [trial.loss for trial in trials if trial.lr == lr]
    losses = tuple(loss for loss in mine if loss is not None and math.isfinite(loss))
    return Rate(lr, fmean(losses) if len(losses) == len(mine) else None, losses)


def _mean(rate: Rate) -> float:
    assert rate.mean is not None
    return rate.mean


def _noise(rates: Sequence[Rate]) -> float | None:
    """Of single runs, pooled over all rates: those far from the best are left out, near divergence noise grows."""
    lowest = sorted(rates, key=_mean)[: 2 * NEIGHBOURS + 1]
    spreads = [variance(rate.losses) for rate in lowest if len(rate.losses) > 1]
    return math.sqrt(fmean(spreads)) if spreads else None


def _vertex(near: Sequence[Rate]) -> float | None:
    """The rate at the parabola's minimum; None where it has none among the runs."""
    if len(near) < 3:
        return None
    x = np.log2([rate.lr for rate in near])
    middle = float(x.mean())
    a, b, _ = np.polynomial.polynomial.polyfit(x - middle, [_mean(rate) for rate in near], 2)[::-1]
    if a <= 0:
        return None
    lowest = float(-b / (2 * a)) + middle
    return float(2**lowest) if x[0] <= lowest <= x[-1] else None
