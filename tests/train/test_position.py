from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.train.position import Position
from ownlm.train.step import Measured

windows = st.lists(st.sets(st.integers(0, 40), min_size=1, max_size=6), max_size=4)


def after(windows_left: list[set[int]]) -> Position:
    position = Position()
    for window in windows_left:
        before = {step for first, end in position.left_out for step in range(first, end)}
        if window - before and min(window) >= position.data_step(0):
            position.leave_out(window)
    return position


@given(windows)
def test_steps_read_all_data_but_those_left_out_in_order(windows_left: list[set[int]]) -> None:
    position = after(windows_left)
    left = {step for first, end in position.left_out for step in range(first, end)}
    assert [position.data_step(step) for step in range(30)] == [n for n in range(200) if n not in left][:30]


@given(windows, st.integers(0, 29))
def test_stretches_cover_the_rest_of_the_run(windows_left: list[set[int]], step: int) -> None:
    position = after(windows_left)
    wanted = [position.data_step(number) for number in range(step, 30)]
    position.step, read = step, []
    while position.step < 30:
        first, end = position.contiguous(30)
        assert end > first
        read += range(first, end)
        position.step += end - first
    assert read == wanted


@given(windows)
def test_what_was_read_is_not_left_out(windows_left: list[set[int]]) -> None:
    position = after(windows_left)
    position.step = 5
    with pytest.raises(ValueError):
        position.leave_out({position.data_step(4)})
    with pytest.raises(ValueError):
        position.leave_out(set())


@given(windows, st.floats(0, 1e6), st.floats(allow_nan=False))
def test_json_keeps_every_bit(windows_left: list[set[int]], seconds: float, nats: float) -> None:
    position = after(windows_left)
    position.step, position.seconds, position.since_log = 7, seconds, [Measured(nats, 3, 4, 0.1)]
    position.skipped, position.rewound, position.loss = [2], [(5, 3)], Measured(nats, 1, 1)
    assert Position.from_json(7, json.loads(json.dumps(position.to_json()))) == position
