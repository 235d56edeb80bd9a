"""One order of data: for any number of ranks and loader workers, and across stops and changes of both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.tokens.shards.config import LoaderConfig
from ownlm.tokens.shards.loader import open_loader
from ownlm.tokens.shards.prefetch import InTurn, Prefetcher
from ownlm.tokens.shards.sizes import RankShare
from ownlm.tokens.shards.workers import Workers
from tests.tokens.corpora import small
from tests.tokens.shards.ranks import SIZES, batches, flat

_, VOCABULARY, SHARDS = small()
FOLDER = SHARDS.parent / "vocabulary"
MADE = batches(SHARDS / "train", VOCABULARY)
WORLDS = (1, 2, 3, 4, 8)
LAST = 60
"""Before it every kind of step is met: the sizes change, and the third epoch begins."""
CROSSING = 30
"""Its batch is larger than the one before, and goes on into the second epoch."""


def read(rank: int, ranks: int, start: int, stop: int, workers: int | Literal["thread"]) -> list[np.ndarray]:
    """What a rank reads, by step."""
    with open_loader(MADE, LoaderConfig(workers=workers, ahead=3), start, stop, RankShare(rank, ranks)) as loader:
        return [flat([batch]) for batch in loader]


def read_by_all(ranks: int, start: int, stop: int, workers: int | Literal["thread"]) -> list[np.ndarray]:
    """The global batches, put together from all ranks."""
    shares = [read(rank, ranks, start, stop, workers) for rank in range(ranks)]
    return [np.concatenate(step) for step in zip(*shares, strict=True)]


def reference(start: int, stop: int) -> list[np.ndarray]:
    """The same steps, sample by sample: neither ranks nor loaders nor batches."""
    made = []
    for step in range(start, stop):
        samples = [MADE.sample(index) for index in SIZES.samples(step)]
        made.append(np.stack([np.stack([one.tokens_L, one.labels_L, one.segments_L]) for one in samples]))
    return made


def assert_same(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_what_the_steps_below_rely_on() -> None:
    assert SIZES.at(CROSSING - 1) < SIZES.at(CROSSING)
    assert MADE.windows - 1 in SIZES.samples(CROSSING)[:-1]
    assert 2 * MADE.windows < SIZES.samples(LAST)[0]


@settings(max_examples=25)
@given(st.integers(0, LAST), st.integers(0, 4), st.sampled_from(WORLDS), st.sampled_from([0, "thread"]))
def test_any_number_of_ranks_reads_the_same_global_batches(
    start: int, steps: int, ranks: int, workers: Literal[0, "thread"]
) -> None:
    assert_same(read_by_all(ranks, start, start + steps, workers), reference(start, start + steps))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(WORLDS)), min_size=1, max_size=4), st.integers(0, LAST))
def test_stopping_anywhere_and_going_on_with_another_number_of_ranks_changes_nothing(
    parts: list[tuple[int, int]], start: int
) -> None:
    found, step = [], start
    for steps, ranks in parts:
        found += read_by_all(ranks, step, step + steps, 0)
        step += steps
    assert_same(found, reference(start, step))


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "ranks"), [(4, 1), (1, 3)])
def test_worker_processes_make_the_same_batches(workers: int, ranks: int) -> None:
    start, stop = CROSSING - 2, CROSSING + 4
    assert_same(read_by_all(ranks, start, stop, workers), reference(start, stop))


def test_fewer_samples_than_ranks_leave_the_last_ones_without_rows() -> None:
    shares = [read(rank, 8, 0, 1, 0)[0] for rank in range(8)]
    assert [len(share) for share in shares] == [1, 1, 1, 1, 1, 0, 0, 0]
    assert_same([np.concatenate(shares)], reference(0, 1))


def test_the_settings_choose_the_loader() -> None:
    kinds = []
    for workers in (0, "thread", 1):
        with open_loader(MADE, LoaderConfig(workers=workers), 0, 0) as loader:
            kinds.append(type(loader))
    assert kinds == [InTurn, Prefetcher, Workers]


@pytest.mark.slow
def test_three_processes_stop_in_an_epoch_and_two_go_on(tmp_path: Path) -> None:
    """Ranks as torchrun starts them: processes that share nothing but the files."""
    found: dict[int, list[np.ndarray]] = {}
    start, change, stop = CROSSING - 3, CROSSING - 1, CROSSING + 2
    plan = ((3, start, change, ("0", "thread", "1")), (2, change, stop, ("0", "thread")))
    for ranks, first, end, workers in plan:
        command = [sys.executable, "-m", "tests.tokens.shards.ranks", str(SHARDS / "train"), str(FOLDER)]
        outs = [tmp_path / f"{ranks}-{rank}.npz" for rank in range(ranks)]
        running = [
            subprocess.Popen([*command, str(out), *map(str, (rank, ranks, first, end)), workers[rank]])
            for rank, out in enumerate(outs)
        ]
        assert [process.wait(timeout=250) for process in running] == [0] * ranks
        for out in outs:
            with np.load(out) as steps:
                for step in steps.files:
                    found.setdefault(int(step), []).append(steps[step])
    assert sorted(found) == list(range(start, stop))
    assert_same([np.concatenate(found[step]) for step in range(start, stop)], reference(start, stop))
