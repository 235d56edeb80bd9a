from __future__ import annotations

from collections import Counter

import pytest

from ownlm.errors import EvaluationError
from ownlm.evaluate.scores.tally import Tally, by_language, curve, ends_of, mean_pass_at_k


def tally(passed: int, failed: int, late: int = 0, language: str = "python") -> Tally:
    ends = {"passed": passed, "failed": failed, "timed_out": late}
    return Tally(language, Counter({status: count for status, count in ends.items() if count}))


def test_pass_at_k_is_the_mean_over_problems_not_over_answers() -> None:
    found = mean_pass_at_k([tally(1, 1), tally(0, 8)], 1, seed=0)
    assert found.value == 0.25
    assert found.low <= 0.25 <= found.high
    assert mean_pass_at_k([tally(1, 1), tally(0, 8)], 2, seed=0).value == 0.5


def test_one_problem_with_too_few_answers_is_enough_to_refuse() -> None:
    with pytest.raises(EvaluationError, match="pass@2"):
        mean_pass_at_k([tally(1, 1), tally(1, 0)], 2, seed=0)


def test_none_solved_is_no_certainty() -> None:
    none, every = (mean_pass_at_k([tally(passed, 1 - passed)] * 20, 1, seed=0) for passed in (0, 1))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.1611, abs=1e-4)
    assert (every.value, every.high) == (1, pytest.approx(1))
    assert every.low == pytest.approx(1 - 0.1611, abs=1e-4)


def test_time_outs_stand_apart_and_count_as_not_passed() -> None:
    tallies = [tally(1, 0, late=1), tally(0, 1, late=1)]
    assert ends_of(tallies) == {"timed_out": 2, "failed": 1, "passed": 1}
    assert mean_pass_at_k(tallies, 1, seed=0).value == 0.25


def test_languages_by_name() -> None:
    grouped = by_language(
        {"a": tally(1, 0, language="lua"), "b": tally(0, 1, language="bash"), "c": tally(1, 0, language="lua")}
    )
    assert list(grouped) == ["bash", "lua"]
    assert len(grouped["lua"]) == 2


def test_figures_are_rounded_for_json() -> None:
    assert mean_pass_at_k([tally(1, 2)], 1, seed=0).plain() == {"value": 0.333333, "interval_95": [0.333333, 0.333333]}


@pytest.mark.parametrize(
    ("samples", "asked", "expected"),
    [(1, [1], [1]), (10, [1, 3], [1, 2, 3, 5, 10]), (200, [100], [1, 2, 5, 10, 20, 50, 100, 200])],
)
def test_a_curve_has_round_steps_and_what_was_asked(samples: int, asked: list[int], expected: list[int]) -> None:
    assert curve(samples, asked) == expected
