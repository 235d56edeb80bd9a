"""Checkpoints: a run that is killed at any moment continues from the newest complete one, to the very same weights.

    checkpoints/
      step-00000400/                state.safetensors  checkpoint.json
      step-00000600/
      .step-00000800.new/           under way: never read, removed at the next start

Written under a temporary name, synced to disk, renamed; the last `KEPT` are kept. `checkpoint.json` holds the sha256 of
the tensors and of itself. A checkpoint that is truncated, altered, or of other settings is passed over for the one
before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

from ownlm.errors import ArtifactError, StorageError
from ownlm.pipeline.artifact import sha256_file, sync_file, sync_folder
from ownlm.recipe.base import canonical_json

KEPT = 2
FORMAT = 1
_TENSORS, _DESCRIPTION = "state.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `step` steps.

    Attributes:
        step: optimizer steps done.
        tensors: weights and optimizer state by name.
        progress: everything else the loop carries on with, plain values.
    """

    step: int
    tensors: dict[str, Tensor]
    progress: dict[str, JsonValue]


class CheckpointFolder:
    """Where one run keeps its checkpoints.

    Args:
        path: the folder; made when the first checkpoint is saved.
        fingerprint: of all that the weights depend on; a checkpoint with another one is never used.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self._fingerprint = path, fingerprint

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, durable when this returns, and drop those older than the last `KEPT`.

        Raises:
            StorageError: when the disk is full or cannot be written; older checkpoints stay as they were.
        """
        final = self.path / f"step-{checkpoint.step:08d}"
        temporary = self.path / f".{final.name}.new"
        try:
            self._remove(temporary)
            temporary.mkdir(parents=True)
            save_file(checkpoint.tensors, temporary / _TENSORS)
            description = self._describe(checkpoint, sha256_file(temporary / _TENSORS))
            (temporary / _DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
            for name in (_TENSORS, _DESCRIPTION):
                sync_file(temporary / name)
            sync_folder(temporary)
            self._remove(final)
            temporary.rename(final)
            sync_folder(self.path)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise StorageError(
                f"the checkpoint of step {checkpoint.step} cannot be written: {error}",
                where=self.path,
                advice="free disk space and run the same command: training goes on from the checkpoint before",
            ) from error
        for old in sorted(self.path.glob("step-*"))[:-KEPT]:
            self._remove(old)

    def newest(self, until: int | None = None) -> Checkpoint | None:
        """The newest checkpoint that is complete and of this run; None when there is none. Removes leftovers.

        Args:
            until: only those of at most this step.
        """
        for leftover in self.path.glob(".step-*.new"):
            self._remove(leftover)
        for folder in sorted(self.path.glob("step-*"), reverse=True):
            if until is not None and _step_of(folder) > until:
                continue
            found = _read(folder, self._fingerprint)
            if found is not None:
                return found
            self._remove(folder)
        return None

    def drop_after(self, step: int) -> None:
        """Remove the checkpoints of later steps: the run went back and takes another way."""
        for folder in self.path.glob("step-*"):
            if _step_of(folder) > step:
                self._remove(folder)

    def _describe(self, checkpoint: Checkpoint, tensors: str) -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {
            "format": FORMAT,
            "step": checkpoint.step,
            "fingerprint": self._fingerprint,
            "tensors": tensors,
            "progress": checkpoint.progress,
        }
        return values | {"checksum": _checksum(values)}

    @staticmethod
    def _remove(path: Path) -> None:
        if path.exists():
            shutil.rmtree(path)


def read_checkpoint(folder: Path) -> Checkpoint:
    """One checkpoint, of any run.

    Raises:
        ArtifactError: when it is missing, incomplete or damaged.
    """
    found = _read(folder, None)
    if found is None:
        raise ArtifactError(
            "this checkpoint is missing, incomplete or damaged", where=folder, advice="use another checkpoint"
        )
    return found


def _read(folder: Path, fingerprint: str | None) -> Checkpoint | None:
    try:
        values: dict[str, Any] = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        checksum = values.pop("checksum")
        raw = (folder / _TENSORS).read_bytes()
        sound = (
            checksum == _checksum(values)
            and values["format"] == FORMAT
            and fingerprint in (None, values["fingerprint"])
            and values["tensors"] == hashlib.sha256(raw).hexdigest()
        )
        return Checkpoint(values["step"], load_tensors(raw), values["progress"]) if sound else None
    except (OSError, ValueError, KeyError, AttributeError, TypeError, SafetensorError):
        return None


def split_tensors(tensors: dict[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors whose names begin with `prefix`, without it."""
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), tensor


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _checksum(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode("utf-8")).hexdigest()
