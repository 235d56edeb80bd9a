from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from torch import Tensor

from ownlm.serve.engines.torch.prefix_tree import Match, PrefixTree

TEXTS = st.lists(st.integers(0, 2), max_size=12).map(tuple)
"""Three different tokens: many texts begin alike."""

TOKEN_BYTES = 2 * 2 * 1 * 1 * 8


def kept_of(text: tuple[int, ...]) -> Tensor:
    """Keys and values that depend on the text up to each token, as real ones do: [2, 2, tokens, 1, 1]."""
    numbers = [float(hash(text[: place + 1]) % 10**9) for place in range(len(text))]
    return torch.tensor(numbers, dtype=torch.float64)[None, None, :, None, None].repeat(2, 2, 1, 1, 1)


def common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def recalled(match: Match) -> Tensor:
    room = torch.full((2, 2, 12, 1, 1), -1.0, dtype=torch.float64)
    match.copy_to(room)
    return room


@given(st.lists(TEXTS, max_size=12), TEXTS)
def test_with_room_for_all_the_longest_known_beginning_is_found(
    texts: list[tuple[int, ...]], asked: tuple[int, ...]
) -> None:
    tree = PrefixTree(1 << 30)
    for text in texts:
        tree.insert(text, kept_of(text))
    match = tree.match(asked)
    assert match.length == max((common(text, asked) for text in texts), default=0)
    assert torch.equal(recalled(match)[:, :, : match.length], kept_of(asked)[:, :, : match.length])
    assert (recalled(match)[:, :, match.length :] == -1).all()
    different = {text[: end + 1] for text in texts for end in range(len(text))}
    assert tree.bytes == len(different) * TOKEN_BYTES, "each beginning is kept once"
    tree.check()


class Used(RuleBasedStateMachine):
    """Texts come and go in any order, under any budget; what is found is always right."""

    @initialize(tokens=st.integers(0, 30))
    def make(self, tokens: int) -> None:
        self.budget = tokens * TOKEN_BYTES
        self.tree = PrefixTree(self.budget)
        self.held: list[tuple[tuple[int, ...], int, Match]] = []

    @rule(text=TEXTS)
    def insert(self, text: tuple[int, ...]) -> None:
        self.tree.insert(text, kept_of(text))

    @rule(text=TEXTS)
    def hold(self, text: tuple[int, ...]) -> None:
        match = self.tree.match(text)
        assert torch.equal(recalled(match)[:, :, : match.length], kept_of(text)[:, :, : match.length])
        self.held.append((text, match.length, match))

    @rule(number=st.integers(0, 10))
    def release(self, number: int) -> None:
        if self.held:
            self.held.pop(number % len(self.held))[2].release()

    @invariant()
    def what_is_held_stays(self) -> None:
        for text, length, _ in self.held:
            match = self.tree.match(text)
            assert match.length >= length
            match.release()

    @invariant()
    def sound(self) -> None:
        self.tree.check()
        if not self.held:
            self.tree.insert((), kept_of(()))
            assert self.tree.bytes <= self.budget


TestUsed = Used.TestCase
TestUsed.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_what_was_not_used_for_longest_goes_first() -> None:
    texts = [(first, 1, 1, 1) for first in range(5)]
    tree = PrefixTree(4 * 4 * TOKEN_BYTES)
    for text in texts[:4]:
        tree.insert(text, kept_of(text))
    tree.match(texts[0]).release()
    tree.insert(texts[4], kept_of(texts[4]))
    found = [tree.match(text).length for text in texts]
    assert found == [4, 0, 0, 4, 4]  # 4 texts fit, 0.9 of that are left: two go


def test_a_second_release_does_nothing() -> None:
    tree = PrefixTree(1 << 20)
    tree.insert((1, 2), kept_of((1, 2)))
    one, other = tree.match((1, 2)), tree.match((1, 2))
    one.release()
    one.release()
    tree._budget = 0
    tree.insert((3,), kept_of((3,)))
    assert tree.match((1, 2)).length == 2
    other.release()


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_split_edge_is_still_held(place: int) -> None:
    tree = PrefixTree(1 << 20)
    text = (1, 1, 1, 1)
    tree.insert(text, kept_of(text))
    match = tree.match(text)
    other = (*text[:place], 2)
    tree.insert(other, kept_of(other))
    tree._budget = 0
    tree.insert((2,), kept_of((2,)))
    tree.check()
    assert tree.match(text).length == 4
    assert tree.match(other).length == place
    match.release()
