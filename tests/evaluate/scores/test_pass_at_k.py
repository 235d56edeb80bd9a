from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import EvaluationError
from ownlm.evaluate.scores.pass_at_k import pass_at_k


def slow_pass_at_k(samples: int, passed: int, k: int) -> float:
    """Every way to give k of the answers: how many of them hold a right one."""
    right = [index < passed for index in range(samples)]
    ways = list(combinations(right, k))
    return sum(any(way) for way in ways) / len(ways)


@given(data=st.data(), samples=st.integers(1, 11))
@settings(max_examples=80)
def test_it_is_the_share_of_subsets_that_hold_a_right_answer(data: st.DataObject, samples: int) -> None:
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    assert pass_at_k(samples, passed, k) == pytest.approx(slow_pass_at_k(samples, passed, k), abs=1e-12)


@given(data=st.data(), samples=st.integers(1, 400))
def test_more_tries_and_more_right_answers_never_lower_it(data: st.DataObject, samples: int) -> None:
    passed, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    value = pass_at_k(samples, passed, k)
    assert 0 <= value <= 1
    assert pass_at_k(samples, passed, 1) == pytest.approx(passed / samples)
    if k < samples:
        assert pass_at_k(samples, passed, k + 1) >= value - 1e-12
    if passed < samples:
        assert pass_at_k(samples, passed + 1, k) >= value - 1e-12


def test_all_right_is_one_and_none_right_is_nothing() -> None:
    assert pass_at_k(200, 200, 7) == 1
    assert pass_at_k(200, 0, 200) == 0
    assert pass_at_k(200, 1, 200) == 1


def test_fewer_answers_than_k_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"pass@10 cannot be told from 1 answer a problem.*\n.*--samples 10"):
        pass_at_k(1, 1, 10)


@pytest.mark.parametrize(("samples", "passed", "k"), [(5, 6, 1), (5, -1, 1), (5, 1, 0)])
def test_counts_without_a_meaning_are_refused(samples: int, passed: int, k: int) -> None:
    with pytest.raises(ValueError, match="no meaning"):
        pass_at_k(samples, passed, k)
