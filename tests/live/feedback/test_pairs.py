"""Preference pairs: the same context, as the module defines it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.live.feedback.pairs import GROWTH, WITHIN_MS, Pair, compared, pairs
from ownlm.live.feedback.texts import JudgedChoice


def judged(completion: str, prefix: str, text: str, accepted: bool | int = False, **more: Any) -> JudgedChoice:
    taken = len(text) if accepted is True else int(accepted)
    plain: dict[str, Any] = {
        "choice": 0, "at": 1000, "person": "p", "version": "v1", "channel": "", "language": "Python", "suffix": ".py",
        "skipped": 0, "after": "\n", "path": "src/a.py",
    }  # fmt: skip
    return JudgedChoice(completion=completion, prefix=prefix, text=text, accepted=taken, **{**plain, **more})


BEFORE = "def mean(xs):\n    return "
DISMISSED = judged("d", BEFORE, "max(xs)")
ACCEPTED = judged("a", BEFORE + "su", "m(xs) / len(xs)", True, at=4000, version="v2")


def test_typing_on_to_an_accepted_completion_is_a_pair() -> None:
    (pair,) = pairs([DISMISSED, ACCEPTED])
    assert (pair.prompt, pair.suffix) == (BEFORE, "\n")
    assert (pair.chosen, pair.rejected) == ("sum(xs) / len(xs)", "max(xs)")
    assert (pair.chosen_from, pair.rejected_from) == (("a", 0, "v2"), ("d", 0, "v1"))


def test_choices_of_one_completion_are_a_pair_in_any_order() -> None:
    wanted, other = judged("c", "x = ", "1", True, choice=1), judged("c", "x = ", "2", choice=0)
    for order in ([wanted, other], [other, wanted]):
        (pair,) = pairs(order)
        assert (pair.prompt, pair.chosen, pair.rejected) == ("x = ", "1", "2")


def test_a_part_that_was_taken_is_what_was_chosen() -> None:
    (pair,) = pairs([DISMISSED, replace(ACCEPTED, accepted=5)])
    assert pair.chosen == "sum(xs)"


@pytest.mark.parametrize(
    "changes",
    [
        {"person": "q"},
        {"path": "src/b.py"},
        {"language": "Go"},
        {"after": "\nmore"},
        {"at": 1000 + WITHIN_MS + 1},
        {"at": 999},
        {"prefix": "def mean(ys):\n    return su"},
        {"prefix": "def mean(xs):\n    retur"},  # went back
        {"prefix": BEFORE + "x" * (GROWTH + 1)},
        {"prefix": BEFORE + "max(xs) + "},  # typed what was dismissed
        {"text": "", "accepted": 0, "prefix": BEFORE + "  "},
    ],
)
def test_another_context_is_no_pair(changes: dict[str, Any]) -> None:
    assert compared(replace(ACCEPTED, **changes), DISMISSED) is None


def test_nobody_in_no_file_has_no_context_of_before() -> None:
    nameless = [replace(one, person="", path="") for one in (DISMISSED, ACCEPTED)]
    assert list(pairs(nameless)) == []


def test_a_dismissed_choice_is_in_one_pair() -> None:
    second = judged("b", BEFORE + "sum(xs) / len(xs)", " # mean", True, at=5000)
    third = judged("e", BEFORE + "sum(xs)", "[0]", at=4500)
    found = list(pairs([DISMISSED, ACCEPTED, third, second]))
    assert [(pair.rejected_from[0], pair.chosen_from[0]) for pair in found] == [("d", "a"), ("e", "b")]


TEXTS = st.text("ab\n", max_size=12)


@given(TEXTS.filter(bool), TEXTS, TEXTS, TEXTS, st.integers(0, 20), st.integers(0, 20))
def test_cut_contexts_give_the_pair_of_whole_ones(before, typed, taken, rejected, cut_first, cut_then) -> None:
    """The kept window slides as the file grows: the pair is that of the whole prefixes, with a shorter prompt."""
    whole = judged("d", before, rejected), judged("a", before + typed, taken, True, at=2000)
    expected = compared(whole[1], whole[0])
    cuts = min(cut_first, len(before) - 1), min(cut_then, len(before) - 1)
    first, then = (replace(one, prefix=one.prefix[cut:], skipped=cut) for one, cut in zip(whole, cuts, strict=True))
    found = compared(then, first)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert before.endswith(found.prompt)
        assert found == replace(expected, prompt=found.prompt)
        # The two texts really follow the same text.
        a, b = found.prompt + found.chosen, then.prefix + taken
        assert a.endswith(b) or b.endswith(a)
        assert not found.chosen.startswith(found.rejected)


def test_a_group_is_on_one_side_for_ever() -> None:
    one = Pair("p", "s", "c", "r", "Go", "file src/a.py", ("a", 0, "v"), ("b", 0, "v"))
    assert one.held_out_at == replace(one, prompt="q").held_out_at == pytest.approx(0.6523768)
    shares = [replace(one, group=f"file {number}").held_out_at for number in range(2000)]
    assert 0.04 < sum(share < 0.05 for share in shares) / 2000 < 0.06
