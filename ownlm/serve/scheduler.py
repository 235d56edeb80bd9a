"""How many generations run at once, who is next, how many may wait, and what happens when the client leaves.

A job is a blocking function that runs in a thread. It is given a way to hand items to the event loop and a way to ask
whether it still has a listener. A slot is free again only when its thread is done: "at most `parallel` at once" holds
for clients that come and go, too. Only a thread that stays silent for `HANG_S` after its job was cancelled is written
off: the engine hangs, and the slot is given to somebody else.

Who waits is served in turns, one job a user (round robin: Nagle, RFC 970, 1985), so a hundred requests of one user
delay another's by one. A full queue drops the newest job of the user who has most in it, if he has at least two more
than who comes (longest queue drop: McKenney, Stochastic Fairness Queueing, 1990); otherwise who comes is refused.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Literal, TypeVar

from ownlm.errors import BusyError
from ownlm.serve.workers import Workers

T = TypeVar("T")
Work = Callable[[Callable[[T], None], Callable[[], bool]], None]
"""A job: `work(emit, cancelled)`."""

HANG_S = 30.0
SMOOTHING = 0.1
MOST_RETRY_S = 60


def nothing() -> None:
    """Nobody waits for it."""


def no_work(emit: Callable[[Any], None], cancelled: Callable[[], bool]) -> None:
    """What a job that has ended has to do."""


class QueueFullError(BusyError):
    """Too many jobs wait.

    Attributes:
        retry_s: seconds after which there should be room, by the present rate.
    """

    def __init__(self, retry_s: int) -> None:
        super().__init__("the server is busy", advice="try again in a moment, or raise serve.queue or serve.parallel")
        self.retry_s = retry_s


class Scheduler:
    """Runs `parallel` jobs at once; lets `queue` more wait. Everything here is called in the event loop.

    Attributes:
        running: jobs that have a slot now.
        waiting: jobs that wait for one.
        written_off: threads that hang.
    """

    def __init__(self, parallel: int, queue: int, *, hang_s: float = HANG_S) -> None:
        self._workers = Workers("generate")
        self._parallel, self._queue, self._hang_s = parallel, queue, hang_s
        self._turns: dict[str, deque[Job[Any]]] = {}  # user -> his waiting jobs; the first user is next
        self._mean_s = 0.0
        self.running = self.waiting = self.written_off = 0

    def submit(
        self,
        work: Work[T],
        on_end: Callable[[], None] = nothing,
        *,
        user: str = "",
        place: str = "",
        on_hang: Callable[[], None] = nothing,
    ) -> Job[T]:
        """Start or queue a job.

        Args:
            work: the job.
            on_end: called once the job has left its thread, or the queue.
            user: whose it is.
            place: what it is for; a waiting job of the same user and place is superseded. "" for none.
            on_hang: called when the job's thread is written off.

        Raises:
            QueueFullError: when the queue is full.
        """
        job: Job[T] = Job(self, work, on_end, on_hang, user, place)
        if self.running < self._parallel:
            self._start(job)
            return job
        if place:
            for older in list(self._turns.get(user, ())):
                if older.place == place:
                    self.drop(older, "superseded")
        if self.waiting >= self._queue:
            self._make_room(user)
        self._turns.setdefault(user, deque()).append(job)
        self.waiting += 1
        return job

    def retry_s(self) -> int:
        """Whole seconds until everything that waits now should have been served, by the mean of the last jobs."""
        return max(1, min(MOST_RETRY_S, math.ceil((self.waiting + 1) * self._mean_s / self._parallel)))

    def drop(self, job: Job[Any], end: End) -> None:
        """Take a waiting job out of the queue."""
        jobs = self._turns[job.user]
        jobs.remove(job)
        if not jobs:
            del self._turns[job.user]
        self.waiting -= 1
        job.ended(end)

    def cancelled(self, job: Job[Any]) -> None:
        """A running job was cancelled: its thread should be done soon."""
        job.hang_timer = job.loop.call_later(self._hang_s, self._write_off, job)

    def done(self, job: Job[Any], error: BaseException | None, seconds: float) -> None:
        """A job's thread is done."""
        self._mean_s += (seconds - self._mean_s) * (SMOOTHING if self._mean_s else 1.0)
        if not job.written_off:
            self.running -= 1
            self._next()
        job.ended("done", error)

    def close(self) -> None:
        """Let go of the threads; jobs that still wait are dropped."""
        for jobs in list(self._turns.values()):
            for job in list(jobs):
                self.drop(job, "cancelled")
        self._workers.close()

    def _make_room(self, user: str) -> None:
        most = max(self._turns.values(), key=len, default=deque())
        if len(most) < len(self._turns.get(user, ())) + 2:
            raise QueueFullError(self.retry_s())
        self.drop(most[-1], "refused")

    def _next(self) -> None:
        while self._turns and self.running < self._parallel:
            user = next(iter(self._turns))
            jobs = self._turns.pop(user)
            job = jobs.popleft()
            if jobs:
                self._turns[user] = jobs
            self.waiting -= 1
            self._start(job)

    def _start(self, job: Job[Any]) -> None:
        self.running += 1
        job.state = "running"
        self._workers.start(job.run)

    def _write_off(self, job: Job[Any]) -> None:
        if job.state == "running":
            job.written_off = True
            self.written_off += 1
            self.running -= 1
            job.on_hang()
            self._next()


End = Literal["done", "cancelled", "expired", "superseded", "refused"]
"""How a job ended; all but the first: without its work done."""


class Job(Generic[T]):
    """A job under way: an asynchronous iterator over what it emits, in batches of what is there.

    Attributes:
        end: how it ended; None before. A job that ran into its deadline stays "expired" whatever its thread does.
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
        self._closed = False

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
            first = len(self._items) == 1
        if first:  # the loop has not yet fetched what came before: one wake-up serves all
            self.loop.call_soon_threadsafe(self._news.set)
