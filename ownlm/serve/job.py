"""A job: a blocking function in a thread, and who listens to it in the event loop.

The function is given a way to hand items to the event loop and a way to ask whether it still has a listener. When it
runs is the scheduler's business.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from ownlm.serve.scheduler import Scheduler

T = TypeVar("T")
Work = Callable[[Callable[[T], None], Callable[[], bool]], None]
"""What a job does: `work(emit, cancelled)`."""

End = Literal["done", "cancelled", "expired", "superseded", "refused"]
"""How a job ended; all but the first: without its work done."""


def nothing() -> None:
    """Nobody waits for it."""


def no_work(emit: Callable[[Any], None], cancelled: Callable[[], bool]) -> None:
    """What a job that has ended has to do."""


class Job(Generic[T]):
    """A job under way: an asynchronous iterator over what it emits, in batches of what is there.

    Attributes:
        end: how it ended; None before. A job that ran into its deadline stays "expired" whatever its thread does.
        patient: who listens wants the first items at once, and all others at the end: the event loop is not woken for
            each token of an answer that goes out whole.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        work: Work[T],
        on_end: Callable[[], None],
        on_hang: Callable[[], None],
        user: str,
        place: str,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.user, self.place, self.on_hang = user, place, on_hang
        self.state: Literal["waiting", "running", "ended"] = "waiting"
        self.end: End | None = None
        self.written_off = False
        self.hang_timer: asyncio.TimerHandle | None = None
        self._scheduler, self._work, self._on_end = scheduler, work, on_end
        self._items: list[T] = []
        self._lock = threading.Lock()
        self._news = asyncio.Event()
        self._cancelled = threading.Event()
        self._error: BaseException | None = None
        self._closed = self._heard = False
        self.patient = False

    def run(self) -> None:
        """In the job's thread."""
        error: BaseException | None = None
        start = time.perf_counter()
        try:
            if not self._cancelled.is_set():
                self._work(self._emit, self._cancelled.is_set)
        except BaseException as caught:
            error = caught
        seconds = time.perf_counter() - start
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._scheduler.done, self, error, seconds)

    def cancel(self) -> None:
        """Nobody listens any more: drop the job if it waits, end it at its next token if it runs."""
        self.stop("cancelled")

    def stop(self, end: End) -> None:
        """End the job early. One that runs gives out what it still has to say; `close` does not wait for it."""
        if self.state == "waiting":
            self._scheduler.drop(self, end)
        elif self.state == "running" and not self._cancelled.is_set():
            self.end = end
            self._cancelled.set()
            self._scheduler.cancelled(self)

    def close(self) -> None:
        """Nothing more is waited for: `batches` gives what is there, and ends."""
        if self.end is None:
            self.stop("expired")
        self._closed = True
        self._news.set()

    def ended(self, end: End, error: BaseException | None = None) -> None:
        """The thread is done, or the job was dropped."""
        self.state = "ended"
        self.end = self.end or end
        self._error = error
        self._news.set()
        self._on_end()
        # Whoever still has this job keeps alive no model by it.
        self._work, self._on_end, self.on_hang = no_work, nothing, nothing
        if self.hang_timer is not None:
            self.hang_timer.cancel()

    @property
    def failed(self) -> bool:
        """It ended with nothing given out, and not well."""
        unwell = (self._error is not None and self.end == "done") or self.end in ("refused", "cancelled")
        return self.state == "ended" and not self._items and unwell

    async def ready(self) -> None:
        """Wait until `batches` has something to give, or the job's end to tell."""
        await self._news.wait()

    async def batches(self) -> AsyncIterator[list[T]]:
        """Everything emitted, in order, as lists of what came since the last one. Raises what the job raised.

        Leaving this iterator early, or its task being cancelled, cancels the job.
        """
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                over = self.state == "ended" or self._closed  # asked before taking: what came later is seen next time
                with self._lock:
                    items, self._items = self._items, []
                if items:
                    yield items
                if over:
                    if self._error is not None and self.end == "done":
                        raise self._error
                    return
        finally:
            self.cancel()

    def _emit(self, item: T) -> None:
        with self._lock:
            self._items.append(item)
            # Otherwise the loop has not yet fetched what came before: one wake-up serves all.
            wake = len(self._items) == 1 and not (self.patient and self._heard)
            self._heard = True
        if wake:
            self.loop.call_soon_threadsafe(self._news.set)
