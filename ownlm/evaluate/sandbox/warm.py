"""Contained processes that take orders for as long as they live: what a language starts once is not started again.

A worker is started as any program is (`contained`), with the language's own process in the supervisor's place. It takes
one order at a time, within limits that are watched as a step's are; one that met a limit is ended, and another started.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.contained import Contained
from ownlm.evaluate.sandbox.program import Ended, How, Limits, Program
from ownlm.evaluate.sandbox.watch import watch

_KILLED = 9
_PATIENCE = 60.0  # seconds in which a worker that runs nothing any more answers


@dataclass(frozen=True)
class Answered:
    """What became of an order.

    Attributes:
        cut: the limit that was met; the worker is then not to be used again.
        line: the answer; None where none came.
    """

    cut: How | None
    line: str | None
    cpu_seconds: float
    wall_seconds: float

    def cut_off(self) -> Ended | None:
        """How a program ended that met a limit; None where it met none."""
        if self.cut is None:
            return None
        return Ended(self.cut, _KILLED, b"", b"", self.cpu_seconds, self.wall_seconds)


class Worker(Contained):
    """One process and what it starts.

    Args:
        sandbox: whose means of containment it uses.
        program: what it may read and what its environment is; its files and steps are not used.
        limits: of each order.
        memory_bytes, processes: what it needs itself, on top.
    """

    def __init__(
        self, sandbox: BubblewrapSandbox, program: Program, limits: Limits, memory_bytes: int, processes: int
    ) -> None:
        super().__init__(program, sandbox.meter(), sandbox.machine)
        self.limits = limits
        self.usable = True
        self._most = replace(
            limits, memory_bytes=limits.memory_bytes + memory_bytes, processes=limits.processes + processes
        )

    @abstractmethod
    def command(self, answers: int) -> list[str]:
        """Of the process; it reads orders from stdin, and writes "ready" and answers, a line each, to a descriptor."""

    def bwrap_options(self, options: list[str]) -> list[str]:
        """Those of any program, or others."""
        return options

    def start(self) -> None:
        """Until it is ready.

        Raises:
            SandboxError: containment itself failed.
        """
        self.__enter__()
        self._meter.limit(self._most)

    def ask(self, order: bytes) -> Answered:
        """One order, to its answer or a limit; after a limit, and without an answer, the worker is not usable again."""
        self._streams.clear()
        before = self._meter.cpu_seconds()
        left = memoryview(order)
        with suppress(BrokenPipeError):  # it is gone: no answer will come
            while left:
                left = left[os.write(self._orders, left) :]
        watched = watch(self._streams, self.limits, self._meter, before, self._cut)
        line = watched.answer if watched.answer.endswith("\n") else self._last_line() if watched.cut else None
        cpu_seconds = self._meter.cpu_seconds() - before
        cut = watched.cut
        if self._meter.out_of_memory():
            cut = "memory"
        elif cut is None and cpu_seconds > self.limits.cpu_seconds:  # counts, whether it was noticed in time or not
            cut = "cpu"
        self.usable = cut is None and line is not None
        return Answered(cut, line, cpu_seconds, watched.wall_seconds)

    def cut_off(self) -> bool:
        """At a limit: whether it is asked to end what it runs by itself, and to answer; else it is killed."""
        return False

    def close(self) -> None:
        """End it, with all that it runs."""
        self._close()

    def _cut(self) -> None:
        if not self.cut_off():
            self._kill()

    def _last_line(self) -> str | None:
        """What a worker that was asked to end its program answers, if it does soon."""
        os.set_blocking(self._streams.answers, False)
        until = time.monotonic() + _PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._streams.answers, selectors.EVENT_READ)
            while not self._streams.answered.endswith(b"\n") and selector.select(max(0.0, until - time.monotonic())):
                piece = os.read(self._streams.answers, 65536)
                if not piece:
                    return None
                self._streams.answered.extend(piece)
        return self._streams.answered.decode() if self._streams.answered.endswith(b"\n") else None

    def _command(self, inherited: Mapping[str, int]) -> list[str]:
        command = super()._command(inherited)
        bwrap, supervisor = command.index("bwrap"), command.index("/usr/bin/perl")
        # "parent" would be the thread that started it, which workers outlive; they end when stdin does.
        options = [option for option in command[bwrap + 1 : supervisor] if option != "--die-with-parent"]
        for name, value in self._program.environment.items():
            options += ["--setenv", name, value]
        return [*command[: bwrap + 1], *self.bwrap_options(options), *self.command(inherited["answers"])]


AnyWorker = TypeVar("AnyWorker", bound=Worker)


class WarmPool(Generic[AnyWorker]):
    """Workers that wait, for several threads. As many are started as are used at the same time.

    Args:
        make: a new worker, not started.
    """

    def __init__(self, make: Callable[[], AnyWorker]) -> None:
        self._make = make
        self._idle: list[AnyWorker] = []
        self._lock = threading.Lock()

    @contextmanager
    def worker(self) -> Iterator[AnyWorker]:
        """One for the caller alone; afterwards it waits for the next, or is ended where it cannot be used again.

        Raises:
            SandboxError: a new one cannot be started.
        """
        with self._lock:
            found = self._idle.pop() if self._idle else None
        if found is None:
            found = self._make()
            found.start()
        try:
            yield found
        except BaseException:
            found.usable = False
            raise
        finally:
            if found.usable:
                with self._lock:
                    self._idle.append(found)
            else:
                found.close()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()
