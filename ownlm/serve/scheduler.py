"""How many generations run at once, who is next, how many may wait, and what happens when the client leaves.

A slot is free again only when its job's thread is done: "at most `parallel` at once" holds for clients that come and
go, too. Only a thread that stays silent for `HANG_S` after its job was cancelled is written off: the engine hangs, and
the slot is given to somebody else.

Who waits is served in turns, one job a user (round robin: Nagle, RFC 970, 1985), so a hundred requests of one user
delay another's by one. A full queue drops the newest job of the user who has most in it, if he has at least two more
than who comes (longest queue drop: McKenney, Stochastic Fairness Queueing, 1990); otherwise who comes is refused.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ownlm.errors import BusyError
from ownlm.serve.job import End, Job, Work, nothing
from ownlm.serve.workers import Workers

T = TypeVar("T")

HANG_S = 30.0
SMOOTHING = 0.1
MOST_RETRY_S = 60


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
