"""How many generations run at once, how many may wait, and what happens when the client leaves.

A job is a blocking function that runs in one of `parallel` threads. It is given a way to hand items to the event loop
and a way to ask whether it still has a listener. A slot is free again only when its thread is done: "at most
`parallel` at once" holds for clients that come and go, too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from ownlm.errors import BusyError

T = TypeVar("T")
Work = Callable[[Callable[[T], None], Callable[[], bool]], None]
"""A job: `work(emit, cancelled)`."""


def nothing() -> None:
    """Nobody waits for a job's end."""


class Scheduler:
    """Runs jobs in `parallel` threads; lets `queue` more wait.

    Attributes:
        running: jobs that have a thread now.
        waiting: jobs that wait for one.
    """

    def __init__(self, parallel: int, queue: int) -> None:
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="generate")
        self._parallel, self._queue = parallel, queue
        self._open = 0

    @property
    def running(self) -> int:
        """Jobs that have a thread now."""
        return min(self._open, self._parallel)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a thread."""
        return max(self._open - self._parallel, 0)

    def submit(self, work: Work[T], on_end: Callable[[], None] = nothing) -> Job[T]:
        """Start or queue a job. Call from the event loop.

        Args:
            work: the job.
            on_end: called in the event loop once the job has left its thread, or the queue.

        Raises:
            BusyError: when the queue is full.
        """
        if self._open >= self._parallel + self._queue:
            raise BusyError(
                "the server is busy", advice="try again in a moment, or raise serve.queue or serve.parallel"
            )
        job: Job[T] = Job(asyncio.get_running_loop())
        self._open += 1
        future = self._pool.submit(job.run, work)

        def release() -> None:
            self._open -= 1
            on_end()

        future.add_done_callback(lambda done: job.finished(done, release))
        job.future = future
        return job

    def close(self) -> None:
        """Let go of the threads; jobs that still wait are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Job(Generic[T]):
    """A job under way: an asynchronous iterator over what it emits, in batches of what is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: Future[None] | None = None
        self._loop = loop
        self._items: list[T] = []
        self._lock = threading.Lock()
        self._news = asyncio.Event()
        self._cancelled = threading.Event()
        self._done = False
        self._error: BaseException | None = None

    def run(self, work: Work[T]) -> None:
        """In the job's thread."""
        if not self._cancelled.is_set():
            work(self._emit, self._cancelled.is_set)

    def cancel(self) -> None:
        """Nobody listens any more: drop the job if it waits, end it at its next token if it runs."""
        self._cancelled.set()
        if self.future is not None:
            self.future.cancel()

    def finished(self, future: Future[None], release: Callable[[], None]) -> None:
        """The thread is done, or the job was dropped. Called in any thread."""
        error = None if future.cancelled() else future.exception()

        def tell() -> None:
            release()
            self._done, self._error = True, error
            self._news.set()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)

    async def batches(self) -> AsyncIterator[list[T]]:
        """Everything emitted, in order, as lists of what came since the last one. Raises what the job raised.

        Leaving this iterator early, or its task being cancelled, cancels the job.
        """
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                done, error = self._done, self._error
                with self._lock:
                    items, self._items = self._items, []
                if items:
                    yield items
                if error is not None:
                    raise error
                if done:
                    return
        finally:
            self.cancel()

    def _emit(self, item: T) -> None:
        with self._lock:
            self._items.append(item)
            first = len(self._items) == 1
        if first:  # the loop has not yet fetched what came before: one wake-up serves all
            self._loop.call_soon_threadsafe(self._news.set)
