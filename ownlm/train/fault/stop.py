"""Stop signals: the step is finished, a checkpoint is written, and the process ends with a stated exit code.

    SIGTERM, SIGUSR1 (a cluster takes the machine back)   exit code 75, EX_TEMPFAIL of sysexits.h: run it again
    SIGINT (Ctrl-C)                                       exit code 130; a second Ctrl-C ends at once

Processes of one run get the signal at different moments, perhaps only one of them: after each step they agree (one
all-reduce of a number on a group of the CPU's).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import torch
from torch import distributed

from ownlm.errors import InterruptedRunError, PreemptedError
from ownlm.tokens.shards.batches import Batch
from ownlm.train.observer import Observer, Stop
from ownlm.train.parallel.layout import Layout
from ownlm.train.position import Position
from ownlm.train.step import Measured

SIGNALS = (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)


class StopSignals(Observer):
    """Ends a run after the step in which a signal came.

    Args:
        layout: of this process; all make one together.
    """

    name = "stop"

    def __init__(self, layout: Layout) -> None:
        self._layout, self._came = layout, 0
        self._group = None if layout.mesh is None else distributed.new_group(backend="gloo")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals are taken while this is open; only the main thread can, elsewhere they act as ever."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def after_step(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Stop | None:
        """Stop, when any process of the run was told to."""
        came = self._agreed()
        return Stop(stopped_by(came, position.step)) if came else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        # Ctrl-C reaches a mesh's processes from the terminal and again from their agent: there it is one.
        if number == signal.SIGINT == self._came and self._group is None:
            raise KeyboardInterrupt
        self._came = number

    def _agreed(self) -> int:
        if self._group is None:
            return self._came
        number = torch.tensor(self._came)
        distributed.all_reduce(number, distributed.ReduceOp.MAX, group=self._group)
        return int(number)


def stopped_by(number: int, step: int | None = None) -> PreemptedError:
    """The error a signal ends a run with; its exit code says which kind it was."""
    kind = InterruptedRunError if number == signal.SIGINT else PreemptedError
    when = "; what was saved is kept" if step is None else f" after step {step}; a checkpoint is written"
    return kind(
        f"training was stopped by {signal.Signals(number).name}{when}",
        advice="the same command goes on from there",
    )
