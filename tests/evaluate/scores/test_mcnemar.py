from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ownlm.evaluate.scores.mcnemar import mcnemar

few = st.integers(0, 40)


def slow_mcnemar(only_a: int, only_b: int) -> float:
    """The chances of all splits that are no likelier than the one seen, summed."""
    uneven = only_a + only_b
    chances = [Fraction(comb(uneven, heads), 2**uneven) for heads in range(uneven + 1)]
    return float(sum(chance for chance in chances if chance <= chances[only_a]))


@given(only_a=few, only_b=few)
def test_it_is_the_sum_of_binomial_chances(only_a: int, only_b: int) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(slow_mcnemar(only_a, only_b), rel=1e-12)


@given(only_a=st.integers(0, 3000), only_b=st.integers(1, 3000))
def test_it_is_scipys_binomial_test(only_a: int, only_b: int) -> None:
    expected = binomtest(only_a, only_a + only_b).pvalue
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-6, abs=1e-300)


@given(only_a=few, only_b=few)
def test_it_does_not_matter_who_is_called_a(only_a: int, only_b: int) -> None:
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


def test_known_values() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 12) == pytest.approx(0.03515625)
    assert mcnemar(0, 5) == 0.0625


def test_fewer_than_no_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than none"):
        mcnemar(-1, 2)
