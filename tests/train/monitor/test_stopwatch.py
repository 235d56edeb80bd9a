"""Every second is in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.train.monitor.stopwatch import COMPUTE, DATA, EVALUATE, MONITOR, OTHER, PLACES, Stopwatch


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_block_inside_another_is_not_counted_twice() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    clock.now += 1
    with watch(EVALUATE):
        clock.now += 2
        with watch(MONITOR):
            clock.now += 4
        clock.now += 8
    clock.now += 16
    taken = watch.take()
    assert (taken[EVALUATE], taken[MONITOR], taken[OTHER]) == (10, 4, 17)
    assert sum(watch.take().values()) == 0


def test_waiting_for_items_is_counted_and_working_on_them_is_not() -> None:
    clock = Clock()

    def slow() -> Iterator[int]:
        for item in range(3):
            clock.now += 10
            yield item
        clock.now += 5

    watch, got = Stopwatch(clock), []
    for item in watch.waited(DATA, slow()):
        clock.now += 1
        got.append(item)
    assert got == [0, 1, 2]
    assert watch.take() == dict.fromkeys(PLACES, 0.0) | {DATA: 35.0, OTHER: 3.0}


def test_an_error_leaves_the_place() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    with suppress(ValueError), watch(COMPUTE):
        clock.now += 1
        raise ValueError
    clock.now += 2
    taken = watch.take()
    assert (taken[COMPUTE], taken[OTHER]) == (1, 2)


def test_what_is_opened_around_a_place_is_opened_there_only() -> None:
    opened = []

    @contextmanager
    def around() -> Iterator[None]:
        opened.append("in")
        yield
        opened.append("out")

    watch = Stopwatch(Clock())
    watch.inside = {COMPUTE: around}
    with watch(DATA):
        assert opened == []
    with watch(COMPUTE):
        assert opened == ["in"]
    assert opened == ["in", "out"]


@given(st.recursive(st.floats(0, 10), lambda inner: st.lists(st.tuples(st.sampled_from(PLACES), inner), max_size=4)))
def test_places_add_up_to_the_time_that_passed(tree: object) -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def run(node: object) -> None:
        if isinstance(node, float):
            clock.now += node
            return
        assert isinstance(node, list)
        for place, inner in node:
            with watch(place):
                run(inner)

    run(tree)
    assert sum(watch.take().values()) == pytest.approx(clock.now)
