from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.tokens.shards.order import BLOCK, BlockedPermutation, Permutation

sizes = st.integers(1, 3000)
seeds = st.integers(0, 2**64 - 1)
epochs = st.integers(0, 2**32)


@given(sizes, seeds, epochs)
def test_it_is_a_bijection(size: int, seed: int, epoch: int) -> None:
    values = Permutation(size, seed, epoch)(np.arange(size))
    assert values.dtype == np.int64
    assert np.array_equal(np.sort(values), np.arange(size))


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 1, 1_000_003])
def test_it_is_a_bijection_around_powers_of_two(size: int) -> None:
    assert np.bincount(Permutation(size, 1, 2)(np.arange(size)), minlength=size).max() == 1


@given(sizes, seeds, epochs, st.data())
def test_each_value_is_computed_on_its_own(size: int, seed: int, epoch: int, data: st.DataObject) -> None:
    order = Permutation(size, seed, epoch)
    wanted = data.draw(st.lists(st.integers(0, size - 1), max_size=20))
    assert order(wanted).tolist() == [int(order(index)) for index in wanted] == [order([i])[0] for i in wanted]


@given(sizes, seeds, epochs, st.data())
def test_in_blocks_it_is_the_same(size: int, seed: int, epoch: int, data: st.DataObject) -> None:
    order = Permutation(size, seed, epoch)
    blocked = BlockedPermutation(order)
    for _ in range(3):
        wanted = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), dtype=np.int64)
        assert blocked(wanted).tolist() == order(wanted).tolist()
    last = np.arange(max(0, size - BLOCK), size)
    assert blocked(last).tolist() == order(last).tolist()


@given(seeds, st.integers(2**40, 2**62))
def test_huge_sizes_stay_in_range_without_repeats(seed: int, size: int) -> None:
    values = Permutation(size, seed, 0)([number * (size - 1) // 499 for number in range(500)])
    assert len(np.unique(values)) == 500
    assert 0 <= values.min() <= values.max() < size


def test_seed_and_epoch_change_the_order() -> None:
    orders = [tuple(Permutation(1000, *key)(np.arange(1000))) for key in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len(set(orders)) == 4


def test_three_windows_reach_all_six_orders() -> None:
    orders = {tuple(Permutation(3, seed, 0)([0, 1, 2]).tolist()) for seed in range(200)}
    assert len(orders) == 6


@pytest.mark.parametrize("size", [0, -1, 2**62 + 1])
def test_impossible_sizes(size: int) -> None:
    with pytest.raises(ValueError, match="permutation"):
        Permutation(size, 0, 0)


@pytest.mark.parametrize("index", [-1, 10, 2**40])
def test_other_indices_are_refused(index: int) -> None:
    with pytest.raises(IndexError, match="permutation of 10"):
        Permutation(10, 0, 0)([3, index])
    with pytest.raises(IndexError):
        BlockedPermutation(Permutation(10, 0, 0))(np.array([3, index]))


def test_no_indices_go_nowhere() -> None:
    assert Permutation(10, 0, 0)([]).tolist() == []


def test_the_order_is_fixed() -> None:
    """Golden: another order would change every run."""
    assert Permutation(10, 0, 0)(np.arange(10)).tolist() == [7, 4, 5, 8, 1, 0, 9, 6, 2, 3]
