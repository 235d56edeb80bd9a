"""Make the next batches in worker processes: for objectives that cost more than one thread can do beside training.

    training process                         worker k of n: steps start + k, start + k + n, ...
    ask (step, slot)  ──── pipe ───────────► make the rows, write them into the slot
    copy the slot out ◄─── pipe, rows ────── "done"
                      ◄═══ shared memory ═══

Numbers travel through pipes, arrays through shared memory that has no name: it is gone with its last process, however
that ends, so a crash leaves nothing behind. Workers open the shards themselves; memory-mapped pages are shared by all.
A worker whose parent is gone finds its pipe closed and leaves. Spawned, not forked: a fork copies locks held by others.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Sequence
from contextlib import suppress
from ctypes import Array, c_byte
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler

import numpy as np

from ownlm.errors import OwnlmError
from ownlm.tokens.shards.batches import Batch, Batches
from ownlm.tokens.shards.prefetch import Loader, RowsOfStep, make
from ownlm.tokens.shards.sizes import RankShare

_LEAVE_S = 5.0
_TOKEN_BYTES = 8 + 8 + 4  # of a token: input, label, segment


class Workers(Loader):
    """Makes batches ahead in processes of its own, and hands them over in the order of steps.

    Args:
        batches: where they come from; sent to the workers.
        start_step: the first step.
        stop_step: the step before which to stop; None: never.
        ahead: batches asked for before they are needed; at least one a worker.
        rows: which rows of every step are made.
        workers: how many processes, from 1.

    Raises (from `next`):
        OwnlmError: a worker was killed or ended by itself.
        Exception: whatever making the batch raised.
    """

    def __init__(
        self,
        batches: Batches,
        start_step: int = 0,
        stop_step: int | None = None,
        ahead: int = 4,
        rows: RowsOfStep = None,
        workers: int = 1,
    ) -> None:
        super().__init__(batches, start_step, stop_step, rows)
        self._start, self._ahead, self._closed = start_step, max(ahead, workers), False
        most, context = _most_rows(batches, rows), multiprocessing.get_context("spawn")
        self._slot_bytes = most * batches.context * _TOKEN_BYTES
        self._memory: Array[c_byte] = context.RawArray(c_byte, max(1, self._ahead * self._slot_bytes))
        self._pipes: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        for number in range(workers):
            pipe, other_end = context.Pipe()
            process = context.Process(
                target=_work, args=(other_end, self._memory), name=f"loader {number}", daemon=True
            )
            self._pipes.append(pipe)
            self._processes.append(process)
            process.start()
            other_end.close()
        for pipe in self._pipes:  # when all are on their way: each takes its time to start
            with suppress(OSError):
                pipe.send((batches, rows))
        for step in range(start_step, start_step + self._ahead):
            self._ask(step)

    def __next__(self) -> Batch:
        """The next step's batch, the reader's own copy.

        Raises:
            StopIteration: after `stop_step`, or when closed.
            OwnlmError: a worker was killed or ended by itself.
            Exception: whatever making the batch raised.
        """
        if self._closed or self._is_last(self._step):
            self.close()
            raise StopIteration
        answer = self._answer(self._worker(self._step))
        if isinstance(answer, BaseException):
            self.close()
            raise answer
        held = views(self._memory, self._slot(self._step), answer, self._batches.context)
        made = Batch(held.tokens_BL.copy(), held.labels_BL.copy(), held.segments_BL.copy())
        self._ask(self._step + self._ahead)
        self._step += 1
        return made

    def close(self) -> None:
        """End the workers and wait for them. They hold nothing that could be lost. Safe to call again."""
        if self._closed:
            return
        self._closed = True
        for pipe in self._pipes:
            pipe.close()
        for end in (SpawnProcess.terminate, SpawnProcess.kill):
            for process in self._processes:
                if process.is_alive():
                    end(process)
            for process in self._processes:
                process.join(_LEAVE_S)

    def _worker(self, step: int) -> int:
        return (step - self._start) % len(self._processes)

    def _slot(self, step: int) -> int:
        """Where in the shared memory the step's batch is: free again once that batch was copied out."""
        return (step - self._start) % self._ahead * self._slot_bytes

    def _ask(self, step: int) -> None:
        if not self._is_last(step):
            with suppress(OSError):  # a worker that died is found when its answer is waited for
                self._pipes[self._worker(step)].send((step, self._slot(step)))

    def _answer(self, worker: int) -> int | BaseException:
        """How many rows the worker has made, or what it raised; waits."""
        pipe, process = self._pipes[worker], self._processes[worker]
        try:
            wait([pipe, process.sentinel])
            if pipe.poll():
                answer: int | BaseException = pipe.recv()
                return answer
        except (EOFError, OSError):
            pass  # closed at the other end
        process.join(_LEAVE_S)
        return _ended(worker, process.exitcode)


def views(memory: Array[c_byte], slot: int, rows: int, context: int) -> Batch:
    """The arrays of a batch of so many rows that lie in the shared memory from byte `slot` on."""
    count, held = rows * context, memoryview(memory)
    tokens, labels = (np.frombuffer(held, np.int64, count, slot + 8 * count * part) for part in (0, 1))
    segments = np.frombuffer(held, np.int32, count, slot + 16 * count)
    shape = (rows, context)
    return Batch(tokens.reshape(shape), labels.reshape(shape), segments.reshape(shape))


def _most_rows(batches: Batches, rows: RowsOfStep) -> int:
    """The most rows of any step."""
    if isinstance(rows, Sequence):
        return len(rows)
    return len((rows or RankShare()).rows(batches.sizes.largest()))


def _ended(worker: int, code: int | None) -> OwnlmError:
    name = f" ({signal.Signals(-code).name})" if code is not None and code < 0 else ""
    return OwnlmError(
        f"Loader worker {worker} ended with exit code {code}{name} while its batch was waited for.",
        advice="Continue the run: nothing is lost. If it was killed because memory ran out, set fewer workers, or "
        "`workers: thread`, in the recipe's `train.loader`.",
    )


def _work(pipe: Connection, memory: Array[c_byte]) -> None:
    """A worker's life: make what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has closed the pipe, or is gone
        try:
            batches, rows = pipe.recv()
            while True:
                step, slot = pipe.recv()
                made = make(batches, step, rows)
                held = views(memory, slot, len(made.tokens_BL), batches.context)
                held.tokens_BL[:], held.labels_BL[:] = made.tokens_BL, made.labels_BL
                held.segments_BL[:] = made.segments_BL
                pipe.send(len(made.tokens_BL))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except BaseException as error:  # handed to the parent, which raises it
            pipe.send_bytes(_pickled(error))


def _pickled(error: BaseException) -> bytes:
    """The error where it can travel, with where it was raised; else one that says the same."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        type(error)(*error.args)  # what unpickling does
        return bytes(ForkingPickler.dumps(error))
    except Exception:
        return bytes(ForkingPickler.dumps(OwnlmError(f"A loader worker failed: {type(error).__name__}: {error}")))
