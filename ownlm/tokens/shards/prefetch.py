"""Make the next batches in a thread while the model computes: changes when a batch is made, never what is in it.

`Loader` is what training iterates over; `ownlm.tokens.shards.loader` chooses between the kinds.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Self

from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.sizes import RankShare

_POLL_S = 0.1

RowsOfStep = RankShare | Sequence[int] | None
"""Which rows of every step are made: a rank's share, these, or (None) all of them."""


def make(batches: Batches, step: int, rows: RowsOfStep) -> Batch:
    """The wanted rows of a step.

    Raises:
        IndexError: when a step does not have the rows.
    """
    if rows is None:
        return batches.batch(step)
    return batches.rows(step, rows.rows(len(batches.samples_of(step))) if isinstance(rows, RankShare) else rows)


class Loader(ABC):
    """Iterates over the batches of steps, in their order. Close it, or use it in a `with`.

    Args:
        batches: where they come from.
        start_step: the first step.
        stop_step: the step before which to stop; None: never.
        rows: which rows of every step are made.
    """

    def __init__(
        self, batches: Batches, start_step: int = 0, stop_step: int | None = None, rows: RowsOfStep = None
    ) -> None:
        self._batches, self._step, self._stop_step, self._rows = batches, start_step, stop_step, rows

    def __iter__(self) -> Iterator[Batch]:
        return self

    @abstractmethod
    def __next__(self) -> Batch:
        """The next step's batch.

        Raises:
            StopIteration: after `stop_step`, or when closed.
            Exception: whatever making the batch raised.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop what makes batches and wait for it. Safe to call again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _is_last(self, step: int) -> bool:
        """Whether the loader stops before this step."""
        return self._stop_step is not None and step >= self._stop_step


class InTurn(Loader):
    """Makes every batch when it is asked for, in the thread that asks: nothing ahead, nothing to clean up."""

    _closed = False

    def __next__(self) -> Batch:
        """The next step's batch.

        Raises:
            StopIteration: after `stop_step`, or when closed.
        """
        if self._closed or self._is_last(self._step):
            raise StopIteration
        made = make(self._batches, self._step, self._rows)
        self._step += 1
        return made

    def close(self) -> None:
        """Make no more."""
        self._closed = True


class Prefetcher(Loader):
    """Makes a few batches ahead, in one thread.

    Encoding and array work release the interpreter lock for most of their time; where one thread is not enough,
    processes are (`ownlm.tokens.shards.workers`).

    Args:
        batches: where they come from.
        start_step: the first step.
        stop_step: the step before which to stop; None: never.
        ahead: batches kept ready.
        rows: which rows of every step are made.
    """

    def __init__(
        self,
        batches: Batches,
        start_step: int = 0,
        stop_step: int | None = None,
        ahead: int = 4,
        rows: RowsOfStep = None,
    ) -> None:
        super().__init__(batches, start_step, stop_step, rows)
        self._queue: Queue[Batch | BaseException | None] = Queue(maxsize=max(1, ahead))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._fill, args=(start_step,), name="prefetch", daemon=True)
        self._thread.start()

    def __next__(self) -> Batch:
        """The next step's batch.

        Raises:
            StopIteration: after `stop_step`, or when closed.
            Exception: whatever making the batch raised.
        """
        while not self._closed.is_set():
            try:
                item = self._queue.get(timeout=_POLL_S)
            except Empty:
                continue
            if isinstance(item, Batch):
                return item
            self.close()
            if item is not None:
                raise item
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it. Safe to call again."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _fill(self, step: int) -> None:
        try:
            while not self._is_last(step) and self._put(make(self._batches, step, self._rows)):
                step += 1
            self._put(None)
        except BaseException as error:  # handed to the reader, who raises it
            self._put(error)

    def _put(self, item: Batch | BaseException | None) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except Full:
                continue
            return True
        return False
