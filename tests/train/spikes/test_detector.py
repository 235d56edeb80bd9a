"""The detector: what it calls a spike, what it does not, and that it depends on nothing but the window."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.train.spikes.config import SpikesConfig
from ownlm.train.spikes.detector import Detector, Seen, judge

CONFIG = SpikesConfig(window=32, warmup_steps=0)
losses = st.floats(0.01, 20.0)
norms = st.floats(1e-3, 1e3)
windows = st.lists(st.tuples(losses, norms), min_size=16, max_size=80)


def plain_sigmas(value: float, before: list[float], least: float) -> float:
    """The definition, with the standard library."""
    median = statistics.median(before)
    spread = 1.4826 * statistics.median(abs(one - median) for one in before)
    return (value - median) / max(spread, least)


@given(windows, losses, norms)
def test_the_definition(history: list[Seen], loss: float, norm: float) -> None:
    verdict = judge(history, 1000, (loss, norm), CONFIG)
    window = history[-CONFIG.window :]
    past = [one for one, _ in window]
    expected = plain_sigmas(loss, past, 1e-3 * statistics.median(past))
    logs = [math.log(one) for _, one in window]
    assert verdict.loss_sigmas == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert verdict.grad_sigmas == pytest.approx(plain_sigmas(math.log(norm), logs, 1e-3), rel=1e-9, abs=1e-9)
    signs = verdict.loss_sigmas / 6.0, verdict.grad_sigmas / 8.0
    assert verdict.is_spike == (max(signs) >= 1 or 1.5 * min(signs) >= 1)


@given(windows, st.floats(1.0, 50.0))
def test_a_planted_jump_is_found(history: list[Seen], more: float) -> None:
    """However the window looks: what lies as far above its median as the limit says is found."""
    past = [one for one, _ in history[-CONFIG.window :]]
    median = statistics.median(past)
    spread = max(1.4826 * statistics.median(abs(one - median) for one in past), 1e-3 * median)
    assert judge(history, 1000, (median + 6.001 * more * spread, 1e-3), CONFIG).is_spike


@given(windows, st.integers(0, 2**32 - 1))
def test_up_to_half_of_the_window_may_be_wrong(history: list[Seen], seed: int) -> None:
    """Fewer than half of the values replaced by whatever they be: a usual loss stays usual."""
    calm = [(2.0 + 0.01 * (n % 5), 1.0 + 0.1 * (n % 3)) for n in range(32)]
    draw = np.random.default_rng(seed)
    for place in draw.choice(32, size=10, replace=False):
        calm[place] = history[place % len(history)]
    assert not judge(calm, 1000, (2.02, 1.1), CONFIG).is_spike


@given(windows, st.floats(allow_nan=True, allow_infinity=True))
def test_what_is_not_a_number_is_a_spike_at_once(history: list[Seen], value: float) -> None:
    if math.isfinite(value):
        value = math.nan
    warming = CONFIG.model_copy(update={"warmup_steps": 10**6})
    assert judge(history, 1, (value, 1.0), warming).is_spike
    assert judge([], 1, (1.0, value), warming).is_spike
    assert not judge([(math.nan, math.nan)] * 32, 1, (1.0, 1.0), CONFIG).is_spike


def test_nothing_is_a_spike_while_warming_up_or_without_a_window() -> None:
    history = [(2.0 + n % 2 * 0.1, 1.0) for n in range(40)]
    assert judge(history, 101, (9.0, 1.0), SpikesConfig(window=32, warmup_steps=100)).is_spike
    assert not judge(history, 100, (9.0, 1.0), SpikesConfig(window=32, warmup_steps=100)).is_spike
    assert not judge(history[:15], 101, (9.0, 1.0), SpikesConfig(window=32, warmup_steps=100)).is_spike


@pytest.mark.parametrize(
    ("loss", "norm", "found"), [(4.5, 6.0, True), (4.5, 0.0, False), (0.0, 6.0, False), (3.5, 6.0, False)]
)
def test_two_thirds_of_both_signs_are_enough(loss: float, norm: float, found: bool) -> None:
    """4.5 of 6 deviations of the loss and 6 of 8 of the gradient, together or alone."""
    spread = [-1.0, 1.0] * 8
    history = [(3.0 + 0.1 * x, math.exp(0.2 * x)) for x in spread]
    seen = 3.0 + loss * 1.4826 * 0.1, math.exp(norm * 1.4826 * 0.2)
    assert judge(history, 1000, seen, CONFIG).is_spike is found


@pytest.mark.parametrize("falling", [0.0, 1.0])
def test_no_false_alarm_on_noise(falling: float) -> None:
    """4,000 steps of a run: losses with normal noise, gradients with log-normal noise, level or still falling."""
    draw, config = np.random.default_rng(0), SpikesConfig()
    steps = np.arange(4000)
    curve = 2.0 + falling * 6.0 * (steps + 10.0) ** -0.3 + 0.05 * draw.standard_normal(4000)
    detector = Detector(config)
    gradients = np.exp(0.3 * draw.standard_normal(4000))
    found = [detector.look(int(n) + 1, (float(curve[n]), float(gradients[n]))).is_spike for n in steps]
    assert sum(found) == 0


@given(st.lists(st.tuples(losses, norms), min_size=1, max_size=120), st.data())
def test_a_detector_that_is_put_back_goes_on_the_same(seen: list[Seen], data: st.DataObject) -> None:
    config = SpikesConfig(window=16, warmup_steps=3)
    straight = Detector(config)
    verdicts = [straight.look(step, one) for step, one in enumerate(seen, start=1)]
    cut = data.draw(st.integers(0, len(seen)))
    first, second = Detector(config), Detector(config)
    parts = [first.look(step, one) for step, one in enumerate(seen[:cut], start=1)]
    second.history = list(first.history)
    parts += [second.look(step, one) for step, one in enumerate(seen[cut:], start=cut + 1)]
    assert parts == verdicts
    assert second.history == seen[-16:]
