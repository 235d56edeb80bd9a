"""`Saver`: checkpoints while training goes on.

    step ─► copy to memory of the CPU ─► step ─► step ─► ...
                     └─► thread: write, hash, sync, rename

Training waits for the copy only (and, should saving be slower than the steps between two saves, for the one before).
The copies live in buffers that are used again: the price is memory for this process's part of the state once more.

A save that fails does not end the run while an older checkpoint can be gone back to: it says so, and the next save
tries again. The third failure in a row does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

import torch
from pydantic import JsonValue
from torch import Tensor

from ownlm.errors import StorageError
from ownlm.train.checkpoint.description import Checkpoint
from ownlm.train.checkpoint.folder import CheckpointFolder
from ownlm.train.checkpoint.parts import Division

FAILURES = 3
_log = logging.getLogger("ownlm.train")


class Saver:
    """Saves the checkpoints of one run in the background, one at a time.

    Args:
        folder: where to.
    """

    def __init__(self, folder: CheckpointFolder) -> None:
        self._folder, self._division = folder, Division(folder.group)
        self._buffers: dict[str, Tensor] = {}
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._failures, self._any = 0, False
        self.blocked_s = 0.0

    def resumed(self) -> None:
        """There is a checkpoint to go back to already."""
        self._any = True

    def save(self, step: int, tensors: Mapping[str, Tensor], progress: dict[str, JsonValue]) -> None:
        """Take a copy and write it in the background. All processes call it.

        Args:
            step: optimizer steps done.
            tensors: what this process holds of the state; may change as soon as this returns.
            progress: plain values.

        Raises:
            StorageError: the saves before failed too often, or none ever succeeded.
        """
        started = time.monotonic()
        self._finish()
        mine, spans = self._division.mine(tensors)
        checkpoint = Checkpoint(step, self._copied(mine), progress, spans)
        self._thread = threading.Thread(target=self._write, args=(checkpoint,), name="checkpoint", daemon=True)
        self._thread.start()
        self.blocked_s += time.monotonic() - started

    def wait(self) -> None:
        """Until the last save is durable, or has failed; raises as `save`."""
        started = time.monotonic()
        self._finish()
        self.blocked_s += time.monotonic() - started

    def join(self) -> None:
        """Until no thread is writing, whatever came of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _write(self, checkpoint: Checkpoint) -> None:
        try:
            self._folder.save(checkpoint)
        except BaseException as error:  # told to the training thread
            self._error = error

    def _finish(self) -> None:
        """Look at what became of the save before."""
        if self._thread is None:
            return
        self.join()
        error, self._error = self._error, None
        if error is None:
            self._failures, self._any = 0, True
            return
        self._failures += 1
        if not isinstance(error, StorageError) or not self._any or self._failures >= FAILURES:
            raise error
        _log.warning("%s; training goes on, the next save tries again (%d of %d)", error.what, self._failures, FAILURES)

    def _copied(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        buffers = {}
        for name, tensor in tensors.items():
            buffer = self._buffers.get(name)
            if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
                buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            buffers[name] = buffer.copy_(tensor.detach(), non_blocking=True)
        if any(tensor.is_cuda for tensor in tensors.values()):
            torch.cuda.synchronize()
        self._buffers = buffers
        return buffers
