from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import EvaluationError
from ownlm.evaluate.scores.mcnemar import mcnemar
from ownlm.evaluate.scores.paired import compare


def once(*solved: int, of: int = 40) -> dict[str, tuple[int, int]]:
    return {f"p{index}": (1, int(index in solved)) for index in range(of)}


def test_one_answer_each_is_mcnemars_test_on_the_problems_that_differ() -> None:
    found = compare(once(0, 1, 2, 30, 31), once(*range(10, 22), 30, 31))
    assert (found.only_a, found.only_b, found.test, found.better) == (3, 12, "mcnemar", "b")
    assert found.p == mcnemar(3, 12)
    assert found.sentence("A", "B") == (
        "B solves 12 problems that A does not, A 3 that B does not: B is better, p = 0.035 "
        "(McNemar, exact, 40 problems)."
    )


def test_what_chance_may_do_is_called_no_difference() -> None:
    found = compare(once(0, 1, 2), once(3, 4, 5, 6))
    assert found.better is None
    assert "no difference can be told, p = 1.00" in found.sentence("old", "new")
    alike = compare(once(1, 2), once(1, 2))
    assert (alike.p, alike.better) == (1.0, None)
    assert alike.sentence("A", "B") == "A and B solve every problem alike (40 problems): no difference."


def test_many_answers_are_compared_by_pass_at_1_and_a_paired_bootstrap() -> None:
    a = {f"p{i}": (10, i % 5) for i in range(60)}
    b = {f"p{i}": (20, 2 * (i % 5) + (4 if i % 2 else 1)) for i in range(60)}
    found = compare(a, b)
    assert found.test == "bootstrap"
    assert found.pass_b - found.pass_a == pytest.approx(0.125)
    assert 0 < found.low < 0.125 < found.high < 0.2
    assert found.p < 0.001
    assert found.better == "b"
    assert "B has a pass@1 of 32.5%, A of 20.0% (+12.5 points, 95 % interval +1" in found.sentence("A", "B")


def test_few_problems_with_a_large_spread_tell_nothing() -> None:
    a = {"p0": (10, 9), "p1": (10, 0), "p2": (10, 5)}
    b = {"p0": (10, 1), "p1": (10, 9), "p2": (10, 6)}
    assert compare(a, b).better is None


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 4), st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=8
    )
)
def test_a_and_b_may_change_places(rows: list[tuple[int, int, int, int]]) -> None:
    a = {f"p{i}": (n, min(c, n)) for i, (n, c, _, _) in enumerate(rows)}
    b = {f"p{i}": (n, min(c, n)) for i, (_, _, n, c) in enumerate(rows)}
    one, other = compare(a, b), compare(b, a)
    assert (one.only_a, one.only_b) == (other.only_b, other.only_a)
    assert one.pass_b - one.pass_a == pytest.approx(other.pass_a - other.pass_b)
    assert one.low <= one.pass_b - one.pass_a + 1e-12
    assert 0 < one.p <= 1
    if one.test == "mcnemar":
        assert one.p == other.p
        assert one.better == {"a": "b", "b": "a", None: None}[other.better]


def test_the_same_seed_gives_the_same_figures() -> None:
    a, b = {f"p{i}": (3, i % 4 % 3) for i in range(30)}, {f"p{i}": (3, i % 3) for i in range(30)}
    assert compare(a, b, seed=5) == compare(a, b, seed=5)


def test_only_problems_that_both_were_asked_count() -> None:
    found = compare(once(0, 1, of=10), once(0, 1, 15, 16, of=20))
    assert (found.problems, found.only_a, found.only_b) == (10, 0, 0)
    with pytest.raises(EvaluationError, match="no problem in common"):
        compare({"x": (1, 1)}, {"y": (1, 1)})
