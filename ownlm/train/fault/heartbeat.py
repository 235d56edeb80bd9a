"""Heartbeats: where each process of a run is; and the end of one that does not come on.

    scratch/faults/rank-00000.beat      "step 412, updated": overwritten in every step
    scratch/faults/rank-00000.stacks    what every thread was doing when nothing had moved for `fault.hang_after_s`
    scratch/faults/rank-00000.locked    the same, when the interpreter itself stood still

In a distributed run one stuck process stops all. Each then finds out for itself, writes its stacks, and names the one
that is furthest behind: that one may be unable to (stopped, or its machine is gone). Time is the monotonic clock's: one
that is set back or forth changes nothing. Code that hangs and keeps the interpreter's lock stops the watching thread
too: then a clock of `faulthandler`, which needs no lock, writes the stacks and ends the process (exit code 1).
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ownlm.errors import StuckError
from ownlm.tokens.shards.batches import Batch
from ownlm.train.observer import Action, Observer
from ownlm.train.parallel.failure import tell
from ownlm.train.position import Position
from ownlm.train.step import Measured

FAULTS = "faults"
_LOOKS = 20
"""How often the time that may pass is divided for looking."""
_PHASES = ("started", "gradient", "updated", "logged")
_OTHERS_WRITE_S = 5.0
_LOCKED = 1.5
"""Times the patience: so long the interpreter's lock may be held. The watching thread comes first wherever it can."""


class Heartbeat(Observer):
    """Watches this process's steps from a thread.

    Args:
        folder: of all processes' files; made when watching begins.
        rank: of this process.
        hang_after_s: a process that makes no step for so long is ended; 0: never.
    """

    name = "heartbeat"

    def __init__(self, folder: Path, rank: int, hang_after_s: float) -> None:
        self._folder, self._rank, self._patience_s = folder, rank, hang_after_s
        self._last, self._step = time.monotonic(), 0
        self._done = threading.Event()
        self._file = -1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """From now on a process that gets stuck is ended."""
        if self._patience_s == 0:
            yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._stacks.exists():
            self._stacks.replace(self._stacks.with_suffix(".stacks.before"))
        self._file = os.open(self._folder / f"rank-{self._rank:05d}.beat", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        locked = self._stacks.with_suffix(".locked").open("w", encoding="utf-8")
        thread = threading.Thread(target=self._watch, args=(locked,), name="heartbeat", daemon=True)
        self._beat(0, "started")
        self._allow(locked)  # before the thread has its first turn
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()
            faulthandler.cancel_dump_traceback_later()
            locked.close()
            os.close(self._file)
            self._file = -1

    def started(self, position: Position) -> None:
        """See `Observer`."""
        self._beat(position.step, "started")

    def before_update(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> Action | None:
        """See `Observer`."""
        self._beat(position.step + 1, "gradient")
        return None

    def after_step(self, position: Position, seen: Measured, batches: Sequence[Batch]) -> None:
        """See `Observer`."""
        self._beat(position.step, "updated")

    def numbers(self, position: Position) -> Mapping[str, float]:
        """See `Observer`."""
        self._beat(position.step, "logged")
        return {}

    @property
    def _stacks(self) -> Path:
        return self._folder / f"rank-{self._rank:05d}.stacks"

    def _beat(self, step: int, phase: str) -> None:
        self._last, self._step = time.monotonic(), step
        if self._file >= 0:
            os.pwrite(self._file, f"{step} {phase}".ljust(40).encode() + b"\n", 0)

    def _watch(self, locked: TextIO) -> None:
        while not self._done.wait(self._patience_s / _LOOKS):
            self._allow(locked)
            if time.monotonic() - self._last > self._patience_s:
                self._end()

    def _allow(self, locked: TextIO) -> None:
        """From now on the interpreter's lock may be held for so long."""
        faulthandler.dump_traceback_later(_LOCKED * self._patience_s, exit=True, file=locked)

    def _end(self) -> None:
        """Write stacks, leave the others time to write theirs, and end."""
        with self._stacks.open("w", encoding="utf-8") as stream:
            stream.write(f"rank {self._rank}, process {os.getpid()}, step {self._step}\n")
            stream.flush()
            faulthandler.dump_traceback(stream, all_threads=True)
        if self._done.wait(min(_OTHERS_WRITE_S, self._patience_s / 2)):
            return  # it has come on after all: the run has ended meanwhile
        error = StuckError(
            f"no step for {self._patience_s:g} s at step {self._step}{self._behind()}",
            where=f"{self._folder} (rank-*.stacks: what every thread was doing)",
            advice="look at those stacks; the same command goes on from the last checkpoint; raise "
            "train.fault.hang_after_s if a step may take that long",
        )
        tell(error, self._rank)
        sys.stderr.write(f"error: {error}\n")
        sys.stderr.flush()
        os._exit(StuckError.exit_code)

    def _behind(self) -> str:
        """The process that the others wait for, in words: one that cannot write stacks, or is furthest behind."""
        beats = read_beats(self._folder)
        silent = [rank for rank in beats if not (self._folder / f"rank-{rank:05d}.stacks").exists()]
        if silent:
            return f"; rank {silent[0]} writes no stacks: it is stopped, or its machine is gone"
        if len(beats) < 2:
            return ""
        order = {rank: (step, _PHASES.index(phase)) for rank, (step, phase) in beats.items()}
        rank = min(order, key=lambda one: (order[one], one))
        if order[rank] == max(order.values()):
            return "; all processes are at the same place"
        step, phase = beats[rank]
        return f"; furthest behind is rank {rank}: step {step}, {phase}"


def read_beats(folder: Path) -> dict[int, tuple[int, str]]:
    """Rank -> (step, phase) of each process's last heartbeat."""
    found = {}
    for path in sorted(folder.glob("rank-*.beat")):
        step, _, phase = path.read_text(encoding="utf-8").strip().partition(" ")
        if phase in _PHASES:
            found[int(path.stem.removeprefix("rank-"))] = (int(step), phase)
    return found
