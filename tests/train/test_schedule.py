from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.train.config import CosineConfig, LinearConfig, ScheduleConfig, WarmupStableDecayConfig
from ownlm.train.schedule import learning_rate

warmups = st.integers(0, 60)
parts = st.floats(0, 1)
cosines = st.builds(CosineConfig, warmup_steps=warmups, floor=parts).map(lambda c: ScheduleConfig(cosine=c))
linears = st.builds(LinearConfig, warmup_steps=warmups, floor=parts).map(lambda c: ScheduleConfig(linear=c))
stables = st.builds(WarmupStableDecayConfig, warmup_steps=warmups, decay=parts, floor=parts).map(
    lambda c: ScheduleConfig(wsd=c)
)


def rates(config: ScheduleConfig, steps: int) -> list[float]:
    return [learning_rate(config, step, steps) for step in range(steps)]


@given(cosines | linears | stables, st.integers(1, 200))
def test_always_above_zero_and_never_above_the_peak(config: ScheduleConfig, steps: int) -> None:
    assert all(0 < rate <= 1 for rate in rates(config, steps))


@given(cosines | linears | stables, st.integers(2, 200))
def test_up_and_then_down_only(config: ScheduleConfig, steps: int) -> None:
    all_rates = rates(config, steps)
    top = all_rates.index(max(all_rates))
    assert all_rates[: top + 1] == sorted(all_rates[: top + 1])
    falling = all_rates[top:]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(falling))


@given(cosines | linears | stables, st.integers(150, 400))
def test_the_warm_up_is_a_straight_line(config: ScheduleConfig, steps: int) -> None:
    shape = config.cosine or config.linear or config.wsd
    assert shape is not None
    until = shape.warmup_steps
    if config.wsd is not None:
        until = min(until, int(steps - config.wsd.decay * steps))
    for step in range(until):
        assert learning_rate(config, step, steps) == pytest.approx((step + 1) / shape.warmup_steps)


@given(parts, st.integers(10, 300))
def test_cosine_ends_near_its_floor(floor: float, steps: int) -> None:
    config = ScheduleConfig(cosine=CosineConfig(warmup_steps=0, floor=floor))
    assert learning_rate(config, 0, steps) == 1
    assert learning_rate(config, steps - 1, steps) == pytest.approx(floor, abs=3 / steps)
    middle = learning_rate(config, steps // 2, steps)
    assert middle == pytest.approx((1 + floor) / 2, abs=3 / steps)


@given(st.floats(0.05, 1), parts, st.integers(20, 300))
def test_the_plateau_is_flat_and_the_decay_straight(decay: float, floor: float, steps: int) -> None:
    config = ScheduleConfig(wsd=WarmupStableDecayConfig(warmup_steps=0, decay=decay, floor=floor))
    for step, rate in enumerate(rates(config, steps)):
        left = (steps - step) / (decay * steps)
        assert rate == pytest.approx(1 if left >= 1 else floor + (1 - floor) * left)


@given(parts, st.integers(0, 5), st.integers(10, 300))
def test_linear_is_one_straight_line_to_its_floor(floor: float, warmup: int, steps: int) -> None:
    rated = rates(ScheduleConfig(linear=LinearConfig(warmup_steps=warmup, floor=floor)), steps)[warmup:]
    slope = (1 - floor) / (steps - warmup)
    assert rated == pytest.approx([1 - slope * step for step in range(len(rated))])
    assert rated[-1] == pytest.approx(floor + slope)


def test_no_decay_stays_at_the_peak() -> None:
    config = ScheduleConfig(wsd=WarmupStableDecayConfig(warmup_steps=2, decay=0.0))
    assert rates(config, 4) == [0.5, 1, 1, 1]


def test_known_values() -> None:
    config = ScheduleConfig(wsd=WarmupStableDecayConfig(warmup_steps=2, decay=0.5))
    assert rates(config, 8) == [0.5, 1, 1, 1, 1, 0.75, 0.5, 0.25]
