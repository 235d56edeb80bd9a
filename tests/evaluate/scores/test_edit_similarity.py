from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.evaluate.scores.edit_similarity import edit_similarity, levenshtein

texts = st.text(st.sampled_from("ab(é\U0001f642"), max_size=12) | st.text(max_size=80)


def slow_levenshtein(one: str, other: str) -> int:
    """The table of Wagner and Fischer, one row at a time."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        above, row = row, [i]
        for j, right in enumerate(other, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right)))
    return row[-1]


@given(one=texts, other=texts)
def test_levenshtein_is_the_table(one: str, other: str) -> None:
    assert levenshtein(one, other) == slow_levenshtein(one, other)


@given(one=texts, other=texts, third=texts)
def test_levenshtein_is_a_distance(one: str, other: str, third: str) -> None:
    assert levenshtein(one, one) == 0
    assert levenshtein(one, other) == levenshtein(other, one)
    assert levenshtein(one, third) <= levenshtein(one, other) + levenshtein(other, third)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("return x", "return y", 1)],
)
def test_levenshtein_known(one: str, other: str, distance: int) -> None:
    assert levenshtein(one, other) == distance


def test_levenshtein_of_lines_longer_than_a_machine_word() -> None:
    one, other = "x = call(" * 40, "y = call[" * 41
    assert levenshtein(one, other) == slow_levenshtein(one, other)


@given(one=texts, other=texts)
def test_similarity_is_a_share(one: str, other: str) -> None:
    similarity = edit_similarity(one, other)
    assert 0 <= similarity <= 1
    assert (similarity == 1) == (one == other)
