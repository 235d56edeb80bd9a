"""`checkpoint.json`: what a checkpoint's files hold. Written last: without it there is no checkpoint.

    {"format": 2, "step": 400, "fingerprint": "...", "progress": {...},
     "files": [{"name": "rank-00000.safetensors", "sha256": "...", "bytes": 1234}, ...],
     "tensors": {"weights/norm.weight": {"dtype": "F32", "shape": [8], "parts": [[0, [0], [4]], [1, [4], [4]]]}, ...},
     "checksum": "sha256 of all the rest"}

A part is (file, offset, shape). Plain JSON and safetensors: nothing in a checkpoint is code (torch's own format pickles
its metadata).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue
from torch import Tensor

from ownlm.recipe.base import canonical_json

FORMAT = 2
DESCRIPTION = "checkpoint.json"


@dataclass(frozen=True)
class Span:
    """Where a part lies in the whole tensor: both have one number for each dimension.

    Attributes:
        whole: shape of the whole tensor.
        offset: of the part's first element.
    """

    whole: tuple[int, ...]
    offset: tuple[int, ...]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `step` steps.

    Attributes:
        step: optimizer steps done.
        tensors: weights and optimizer state by name; of a distributed run, the parts this process writes.
        progress: everything else the loop carries on with, plain values; the first process's counts.
        spans: of those tensors that are parts of larger ones.
    """

    step: int
    tensors: Mapping[str, Tensor]
    progress: dict[str, JsonValue]
    spans: Mapping[str, Span] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What one process wrote.

    Attributes:
        name: of its file; "": it had nothing to write.
        sha256: of the file.
        size: its bytes.
        tensors: name -> (dtype, whole shape, offset, shape).
        error: what went wrong, instead.
    """

    name: str = ""
    sha256: str = ""
    size: int = 0
    tensors: Mapping[str, tuple[str, list[int], list[int], list[int]]] = field(default_factory=dict)
    error: str = ""


def describe(step: int, fingerprint: str, progress: dict[str, JsonValue], written: Sequence[Written]) -> bytes:
    """The description of a checkpoint whose files are there."""
    there = [one for one in written if one.name]
    tensors: dict[str, Any] = {}
    for number, file in enumerate(there):
        for name, (dtype, whole, offset, shape) in file.tensors.items():
            entry = tensors.setdefault(name, {"dtype": dtype, "shape": whole, "parts": []})
            entry["parts"].append([number, offset, shape])
    values: dict[str, Any] = {
        "format": FORMAT,
        "step": step,
        "fingerprint": fingerprint,
        "progress": progress,
        "files": [{"name": one.name, "sha256": one.sha256, "bytes": one.size} for one in there],
        "tensors": tensors,
    }
    return (json.dumps(values | {"checksum": _checksum(values)}, separators=(",", ":")) + "\n").encode()


def parse(raw: bytes) -> dict[str, Any]:
    """The inverse of `describe`.

    Raises:
        ValueError: it is damaged, or of another version of the format; says which.
    """
    try:
        values: dict[str, Any] = json.loads(raw)
        checksum = values.pop("checksum")
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']}, this version reads {FORMAT}")
        if checksum != _checksum(values):
            raise ValueError(f"{DESCRIPTION} is altered")
    except (KeyError, AttributeError, TypeError, RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{DESCRIPTION} is cut short or altered") from error
    return values


def _checksum(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values).encode("utf-8")).hexdigest()
