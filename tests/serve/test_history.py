"""The last quarter of an hour: counted again the slow way."""

from __future__ import annotations

import math
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from ownlm.live.feedback.event import Origin, ServedCompletion
from ownlm.serve.history import MOST_A_SECOND, OUTCOMES, SECONDS, History

Outcome = Literal["done", "deadline", "cancelled", "error"]
ANSWERS = st.lists(
    st.tuples(
        st.integers(0, 2 * SECONDS),  # when it ended
        st.sampled_from(OUTCOMES),
        st.one_of(st.none(), st.floats(0.001, 100)),  # its first token
        st.integers(0, 50),
    ),
    max_size=60,
)


def served(outcome: Outcome = "done", first: float | None = 0.1, tokens: int = 1) -> ServedCompletion:
    return ServedCompletion(
        "cmpl-1", 0.0, Origin("v"), generated_tokens=tokens, first_token_s=first, total_s=2.0, outcome=outcome
    )


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(ANSWERS, st.integers(0, SECONDS))
def test_every_span_says_what_ended_in_it(answers: list[tuple[int, Outcome, float | None, int]], later: int) -> None:
    clock = Clock()
    history = History(clock)
    for at, outcome, first, tokens in sorted(answers, key=lambda answer: answer[0]):
        clock.now = float(at)
        history.served(served(outcome, first, tokens))
    clock.now += later
    found = history.json(steps=90)
    assert found["seconds_a_step"] == 10
    end = int(clock.now) + 1
    for step in range(90):
        begin = end - SECONDS + step * 10
        inside = [answer for answer in answers if begin <= answer[0] < begin + 10]
        for outcome in OUTCOMES:
            assert found["series"][outcome][step] * 10 == sum(answer[1] == outcome for answer in inside)
        assert math.isclose(found["series"]["generated_tokens"][step] * 10, sum(answer[3] for answer in inside))
        firsts = sorted(answer[2] for answer in inside if answer[2] is not None)
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            expected = next((v for v in firsts if sum(w <= v for w in firsts) >= part * len(firsts)), None)
            assert found["series"][f"first_{name}"][step] == expected


def test_the_last_minute_is_added_up_and_older_seconds_are_forgotten() -> None:
    clock = Clock()
    history = History(clock)
    for second in range(3 * SECONDS):
        clock.now = float(second)
        history.served(served(tokens=2))
    found = history.json()
    assert found["minute"]["answers"] == 60
    assert found["minute"]["generated_tokens"] == 120
    assert sum(found["series"]["done"]) * 10 == SECONDS


def test_a_busy_second_keeps_a_sample_of_its_latencies_and_counts_all() -> None:
    history = History(Clock())
    for number in range(100 * MOST_A_SECOND):
        history.served(served(first=float(number)))
    found = history.json()["minute"]
    assert found["answers"] == 100 * MOST_A_SECOND
    assert 0.3 < found["first_p50"] / (100 * MOST_A_SECOND) < 0.7  # a sample of all of them, not of the first


def test_gauges_are_averaged_and_a_clock_set_back_goes_on_in_the_newest_second() -> None:
    clock = Clock()
    history = History(clock)
    clock.now = 100.0
    history.sample({"waiting": 1.0})
    clock.now = 40.0  # back
    history.served(served())
    clock.now = 101.0
    history.sample({"waiting": 4.0})
    found = history.json(steps=90)
    assert found["series"]["waiting"][-1] == 2.5
    assert found["minute"]["answers"] == 1
