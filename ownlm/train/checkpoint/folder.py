"""`CheckpointFolder`: where one run keeps its checkpoints, and which of them it keeps.

    checkpoints/
      step-00000400/                rank-00000.safetensors  rank-00001.safetensors  checkpoint.json
      step-00000600/
      .step-00000800.new/           under way: never read, removed at the next start

Each process writes its parts; the first one describes them when all have, and only then the checkpoint exists. One that
is cut short, altered, or of other settings is passed over for the one before.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ownlm.errors import StorageError
from ownlm.train.checkpoint.description import Checkpoint, Written, describe
from ownlm.train.checkpoint.group import Group
from ownlm.train.checkpoint.place import name_of, open_place, unreachable
from ownlm.train.checkpoint.stored import DamagedError, Stored
from ownlm.train.checkpoint.tensors import type_name, write_tensors
from ownlm.train.config import CheckpointsConfig
from ownlm.train.parallel.layout import Layout

_log = logging.getLogger("ownlm.train")


class CheckpointFolder:
    """Where one run keeps its checkpoints. With several processes all make one, and call every method together.

    Args:
        where: folder, or URL; made when the first checkpoint is saved.
        fingerprint: of all that the weights depend on; a checkpoint with another one is never used.
        rule: which checkpoints stay.
        layout: of this process.
    """

    def __init__(
        self,
        where: Path | str,
        fingerprint: str,
        rule: CheckpointsConfig | None = None,
        layout: Layout | None = None,
    ) -> None:
        self._place, self._fingerprint = open_place(where), fingerprint
        self._rule = rule or CheckpointsConfig()
        self.where = self._place.where
        self.group = Group(layout or Layout())

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, durable when this returns, and drop those the rule does not keep.

        Raises:
            StorageError: when it cannot be written, by any process; older checkpoints stay as they were.
        """
        written = self.group.gathered(self._write(checkpoint))
        error = next((one.error for one in written if one.error), "")
        if self.group.is_first:
            error = error or self._publish(checkpoint, written)
            if error:
                self._place.abandon(checkpoint.step)
        error = self.group.told(error)
        if error:
            raise StorageError(
                f"the checkpoint of step {checkpoint.step} cannot be written: {error}",
                where=self.where,
                advice="free disk space and run the same command: training goes on from the checkpoint before",
            )

    def newest(self, until: int | None = None) -> Stored | None:
        """The newest checkpoint that is complete and of this run; None when there is none. Removes leftovers.

        Args:
            until: only those of at most this step.

        Raises:
            StorageError: the place cannot be read.
        """
        for step in self.group.told(self._steps()):
            if until is not None and step > until:
                continue
            found, fault = self._looked_at(step)
            faults = [one for one in self.group.gathered(fault) if one]
            if not faults:
                return found
            if self.group.is_first:
                self._pass_over(step, faults[0])
        return None

    def drop_after(self, step: int) -> None:
        """Remove the checkpoints of later steps: the run went back and takes another way."""
        if self.group.is_first:
            for later in self._place.steps():
                if later > step:
                    self._place.remove(later)

    def _write(self, checkpoint: Checkpoint) -> Written:
        """This process's file."""
        if not checkpoint.tensors:
            return Written()
        name = f"rank-{self.group.rank:05d}.safetensors"
        described = {}
        for tensor_name, tensor in checkpoint.tensors.items():
            shape, span = list(tensor.shape), checkpoint.spans.get(tensor_name)
            whole, offset = (shape, [0] * len(shape)) if span is None else (list(span.whole), list(span.offset))
            described[tensor_name] = (type_name(tensor.dtype), whole, offset, shape)
        try:
            with self._place.writing(checkpoint.step, name) as stream:
                sha256, size = write_tensors(stream, checkpoint.tensors)
        except OSError as error:
            return Written(error=str(error))
        return Written(name, sha256, size, described)

    def _publish(self, checkpoint: Checkpoint, written: list[Written]) -> str:
        """Make it count; what went wrong, or nothing."""
        description = describe(checkpoint.step, self._fingerprint, checkpoint.progress, written)
        try:
            self._place.publish(checkpoint.step, description, {one.name for one in written})
        except OSError as error:
            return str(error) or type(error).__name__
        try:
            for step in self._surplus():
                self._place.remove(step)
        except OSError as error:
            _log.warning("old checkpoints cannot be removed: %s", error)
        return ""

    def _surplus(self) -> list[int]:
        older = self._place.steps()[self._rule.keep_last :]
        every = self._rule.keep_every
        return [step for step in older if not (every and step and step % every == 0)]

    def _steps(self) -> list[int]:
        if not self.group.is_first:
            return []
        try:
            self._place.clean()
            return self._place.steps()
        except OSError as error:
            raise unreachable(self.where, error) from error

    def _looked_at(self, step: int) -> tuple[Stored | None, str]:
        """A checkpoint whose description and (this process's share of) files are sound; or what is wrong."""
        try:
            found = Stored.at(self._place, step)
            if found.fingerprint != self._fingerprint:
                return None, "it is of other settings, data or another model"
            found.check(self.group.rank, self.group.world)
        except DamagedError as error:
            return None, str(error)
        except OSError as error:
            raise unreachable(self.where, error) from error
        return found, ""

    def _pass_over(self, step: int, fault: str) -> None:
        _log.warning("checkpoint %s is not used, but the one before it: %s", name_of(step), fault)
        try:
            self._place.remove(step)
        except OSError as error:
            _log.warning("and it cannot be removed: %s", error)
