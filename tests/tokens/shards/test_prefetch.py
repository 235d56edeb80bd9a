from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest

from ownlm.errors import ArtifactError
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.prefetch import InTurn, Loader, Prefetcher
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.sizes import RankShare
from tests.tokens.corpora import small

_, VOCABULARY, SHARDS = small()
BATCHES = Batches(ShardReader(SHARDS / "train"), ObjectivesConfig(), VOCABULARY, 64, 4, 0)


def _same(first: Batch, second: Batch) -> bool:
    names = ("tokens_BL", "labels_BL", "segments_BL")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


@pytest.mark.parametrize("start", [0, 7, 500])
@pytest.mark.parametrize("ahead", [1, 8])
def test_it_gives_the_batches_in_order(start: int, ahead: int) -> None:
    with Prefetcher(BATCHES, start, ahead=ahead) as prefetcher:
        for step, batch in zip(range(start, start + 20), prefetcher, strict=False):
            assert _same(batch, BATCHES.batch(step))


@pytest.mark.parametrize("kind", [InTurn, Prefetcher])
def test_it_gives_some_rows_of_every_step(kind: type[Loader]) -> None:
    with kind(BATCHES, 4, 9, rows=[3, 1]) as some, kind(BATCHES, 4, 9, rows=RankShare(1, 3)) as share:
        for step, two, one in zip(range(4, 9), some, share, strict=True):
            whole = BATCHES.batch(step)
            assert np.array_equal(two.tokens_BL, whole.tokens_BL[[3, 1]])
            assert np.array_equal(one.labels_BL, whole.labels_BL[2:3])


@pytest.mark.parametrize("kind", [InTurn, Prefetcher])
@pytest.mark.parametrize(("start", "stop", "count"), [(3, 10, 7), (3, 3, 0), (5, 3, 0)])
def test_it_stops_at_the_last_step(kind: type[Loader], start: int, stop: int, count: int) -> None:
    with kind(BATCHES, start, stop) as loader:
        assert len(list(loader)) == count
        assert next(loader, None) is None


def test_without_a_thread_nothing_is_made_before_it_is_asked_for() -> None:
    before = threading.active_count()
    with InTurn(BATCHES, rows=[99]) as loader:
        assert threading.active_count() == before
        with pytest.raises(IndexError, match="row 99 of step 0, which has 4"):
            next(loader)
    assert list(loader) == []


def test_closing_ends_the_thread_at_any_time() -> None:
    before = threading.active_count()
    for taken in (0, 1, 5):
        prefetcher = Prefetcher(BATCHES, ahead=2)
        assert len(list(islice(prefetcher, taken))) == taken
        prefetcher.close()
        prefetcher.close()
        assert list(prefetcher) == []
    assert threading.active_count() == before


def test_an_error_reaches_the_reader_after_the_good_batches() -> None:
    with Prefetcher(_Failing(), ahead=1) as prefetcher:  # type: ignore[arg-type]
        assert _same(next(prefetcher), BATCHES.batch(0))
        assert _same(next(prefetcher), BATCHES.batch(1))
        with pytest.raises(ArtifactError, match="broken"):
            next(prefetcher)
        assert list(prefetcher) == []


class _Failing:
    def batch(self, step: int) -> Batch:
        if step == 2:
            raise ArtifactError("the shard is broken")
        return BATCHES.batch(step)
