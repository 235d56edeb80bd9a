"""A person types: the prompts of every keystroke, and how much of each the one before has in common with it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise, takewhile


def shared_start(one: Iterable[int], other: Iterable[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def reuse(prompts: list[tuple[int, ...]]) -> tuple[float, float]:
    """Share of all prompt tokens that the prompt before has, too; share of keystrokes that read over 16 tokens anew."""
    total = same = moved = 0
    for before, after in pairwise(prompts):
        common = shared_start(before, after)
        total += len(after)
        same += common
        moved += len(after) - common > 16
    return same / total, moved / (len(prompts) - 1)
