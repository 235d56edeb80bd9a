"""`steps.bin`: what every step saw, to the last bit: what a replay is compared with.

One record of 48 bytes a step, little-endian: step i8, data step i8, nats f8, gradient's length f8, labels i8, bytes i8.
Beside it `run.json`: the stage's settings and inputs, so that the folder alone says which run it is; and how the
machines computed that took part, from which step on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from ownlm.errors import ArtifactError, StorageError

STEPS, RUN = "log/steps.bin", "log/run.json"
_RECORD = np.dtype(
    [("step", "<i8"), ("data", "<i8"), ("nats", "<f8"), ("norm", "<f8"), ("labels", "<i8"), ("bytes", "<i8")]
)


@dataclass(frozen=True)
class Record:
    """What one step saw.

    Attributes:
        step: its number, from 1.
        data_step: which data it read, from 0: `step` - 1 until data are left out.
        nats: sum of the cross-entropies.
        grad_norm: length of the gradient before clipping.
        labels: labelled tokens.
        bytes: bytes they stand for.
    """

    step: int
    data_step: int
    nats: float
    grad_norm: float
    labels: int
    bytes: int

    @property
    def loss(self) -> float:
        """Nats per labelled token."""
        return self.nats / max(1, self.labels)

    def same_bits(self, other: Record) -> bool:
        """Whether both saw the very same, NaNs included."""
        return _array([self]).tobytes() == _array([other]).tobytes()


class StepRecords:
    """The records of a run's steps 1, 2, ... in one file.

    Args:
        path: of the file; made with the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Record) -> None:
        """Append; with the operating system before it returns.

        Raises:
            StorageError: the disk is full or the file cannot be written.
        """
        try:
            with self.path.open("ab") as stream:
                stream.write(_array([record]).tobytes())
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.add(record)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def rewind(self, step: int) -> None:
        """Drop what comes after `step`, and what a kill left half written.

        Raises:
            StorageError: the file cannot be written.
        """
        try:
            if self.path.exists():
                kept = [record for record in self.read() if record.step <= step]
                temporary = self.path.with_name(f".{self.path.name}.new")
                temporary.write_bytes(_array(kept).tobytes())
                temporary.replace(self.path)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def read(self) -> list[Record]:
        """All whole records, in order; none when there is no file."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return []
        rows = np.frombuffer(raw[: len(raw) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
        return [Record(*row) for row in rows.tolist()]


def _array(records: list[Record]) -> np.ndarray[Any, Any]:
    rows = [(one.step, one.data_step, one.nats, one.grad_norm, one.labels, one.bytes) for one in records]
    return np.array(rows, _RECORD)


def write_run(path: Path, step: int, execution: Mapping[str, JsonValue], made_of: Mapping[str, JsonValue]) -> None:
    """Say what the run is, and how it is computed from `step` on.

    Args:
        path: of run.json.
        step: steps that are done.
        execution: how, as in a checkpoint.
        made_of: settings and inputs.

    Raises:
        StorageError: it cannot be written.
    """
    before = [] if not path.exists() else read_run(path)["computed"]
    computed: list[Any] = [one for one in before if one["from"] < step]
    if not computed or computed[-1]["execution"] != dict(execution):
        computed.append({"from": step, "execution": dict(execution)})
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(dict(made_of) | {"computed": computed}, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def read_run(path: Path) -> dict[str, Any]:
    """What `write_run` wrote.

    Raises:
        ArtifactError: it is not there, or damaged.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["computed"], values["config"], values["inputs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            "This folder does not say which run it is of.",
            where=path,
            advice="Name a recipe that was trained, or the folder of a train artifact.",
        ) from error
    return values


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"What the steps saw cannot be written: {error.strerror}.",
        where=path,
        advice="Free disk space, then run the same command again: training goes on from the last checkpoint.",
    )
