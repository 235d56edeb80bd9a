from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.tokens.shards.sizes import BatchSizes, RankShare

gaps = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), max_size=5)


def _stages(first: int, following: list[tuple[int, int]]) -> list[tuple[int, int]]:
    stages = [(0, first)]
    for gap, size in following:
        stages.append((stages[-1][0] + gap, size))
    return stages


@given(st.integers(1, 9), gaps)
def test_steps_cut_the_samples_one_after_another(first: int, following: list[tuple[int, int]]) -> None:
    """Against counting from the first step."""
    stages = _stages(first, following)
    sizes, sample = BatchSizes(stages), 0
    for step in range(40):
        size = next(size for start, size in reversed(stages) if start <= step)
        assert sizes.at(step) == size
        assert list(sizes.samples(step)) == list(range(sample, sample + size))
        sample += size
    assert sizes.largest() == max(size for _, size in stages)


def test_one_size_and_a_late_step() -> None:
    assert BatchSizes(16).stages == ((0, 16),)
    assert BatchSizes(16).samples(10**12) == range(16 * 10**12, 16 * 10**12 + 16)
    assert BatchSizes([(0, 4), (1000, 64)]).samples(10**12)[0] == 4000 + 64 * (10**12 - 1000)


@pytest.mark.parametrize(
    "stages", [[], [(1, 4)], [(0, 4), (0, 8)], [(0, 4), (9, 8), (5, 8)], [(0, 0)], 0, [(0, 4), (3, -1)]]
)
def test_impossible_sizes(stages: int | list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"batch sizes|at least one"):
        BatchSizes(stages)


def test_there_is_no_step_before_the_first() -> None:
    with pytest.raises(IndexError, match="from 0"):
        BatchSizes(4).samples(-1)


@given(st.integers(0, 100), st.integers(1, 12))
def test_shares_divide_the_rows_in_order_and_evenly(size: int, ranks: int) -> None:
    shares = [RankShare(rank, ranks).rows(size) for rank in range(ranks)]
    assert [row for share in shares for row in share] == list(range(size))
    assert all(0 <= len(one) - len(other) <= 1 for one, other in pairwise(shares))


@pytest.mark.parametrize(("rank", "ranks"), [(-1, 2), (2, 2), (0, 0)])
def test_impossible_ranks(rank: int, ranks: int) -> None:
    with pytest.raises(ValueError, match="there is no rank"):
        RankShare(rank, ranks)
