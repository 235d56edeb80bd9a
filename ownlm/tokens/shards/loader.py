"""Choose what makes the batches a training run reads: its own thread, a thread beside it, or worker processes.

    with open_loader(batches, LoaderConfig(workers=2), start_step=1000, rows=RankShare(rank, ranks)) as loader:
        for batch in loader: ...

Whatever is chosen, the batches are those of `Batches.rows`, step after step.
"""

from __future__ import annotations

from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.config import LoaderConfig
from ownlm.tokens.shards.prefetch import InTurn, Loader, Prefetcher, RowsOfStep
from ownlm.tokens.shards.workers import Workers


def open_loader(
    batches: Batches,
    config: LoaderConfig,
    start_step: int = 0,
    stop_step: int | None = None,
    rows: RowsOfStep = None,
) -> Loader:
    """The batches of the steps from `start_step` on, in their order. Close it, or use it in a `with`.

    Args:
        batches: where they come from.
        config: what makes them.
        start_step: the first step, from 0.
        stop_step: the step before which to stop; None: never.
        rows: which rows of every step: a rank's `RankShare`, row numbers, or None for all.
    """
    if config.workers == "thread":
        return Prefetcher(batches, start_step, stop_step, config.ahead, rows)
    if config.workers == 0:
        return InTurn(batches, start_step, stop_step, rows)
    return Workers(batches, start_step, stop_step, config.ahead, rows, config.workers)
