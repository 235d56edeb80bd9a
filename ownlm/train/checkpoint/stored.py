"""`Stored`: a checkpoint that is there, read box by box."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ownlm.errors import ArtifactError, StorageError
from ownlm.train.checkpoint.description import Checkpoint, parse
from ownlm.train.checkpoint.parts import boxes_of
from ownlm.train.checkpoint.place import Place, open_place, step_of
from ownlm.train.checkpoint.tensors import BLOCK, TensorFile, type_of


class DamagedError(ValueError):
    """The checkpoint is not what was saved; says what is wrong with it."""


class Stored:
    """A checkpoint in its place. Tensors are whole or boxes of them, however many files they lie in.

    Args:
        place: where it is.
        step: which one.
        values: its description.
    """

    def __init__(self, place: Place, step: int, values: dict[str, Any]) -> None:
        self._place, self.step, self._values = place, step, values
        self.fingerprint: str = values["fingerprint"]
        self.progress: dict[str, Any] = values["progress"]
        self._tensors: dict[str, Any] = values["tensors"]
        self._open: dict[int, TensorFile] = {}

    @classmethod
    def at(cls, place: Place, step: int) -> Stored:
        """Read the description of a checkpoint.

        Raises:
            DamagedError: it is missing or altered.
            OSError: the place cannot be read.
        """
        try:
            found = cls(place, step, parse(place.description(step)))
        except FileNotFoundError as error:
            raise DamagedError("it has no description") from error
        except ValueError as error:
            raise DamagedError(str(error)) from error
        if found._values["step"] != step:
            raise DamagedError(f"it says that it is of step {found._values['step']}")
        return found

    def check(self, rank: int = 0, world: int = 1) -> None:
        """Compare files with their checksums; of several processes each takes its share.

        Raises:
            DamagedError: a file is missing, cut short or altered.
            OSError: the place cannot be read.
        """
        for file in self._values["files"][rank::world]:
            digest, size = hashlib.sha256(), 0
            try:
                while block := self._place.read(self.step, file["name"], size, min(size + BLOCK, file["bytes"])):
                    digest.update(block)
                    size += len(block)
            except FileNotFoundError as error:
                raise DamagedError(f"{file['name']} is missing") from error
            if size != file["bytes"]:
                raise DamagedError(f"{file['name']} has {size} bytes of {file['bytes']}")
            if digest.hexdigest() != file["sha256"]:
                raise DamagedError(f"{file['name']} is altered: its checksum is another one")

    def files(self) -> list[tuple[str, int]]:
        """Names and bytes of the files the tensors lie in."""
        return [(file["name"], file["bytes"]) for file in self._values["files"]]

    def names(self) -> list[str]:
        """Of all tensors."""
        return list(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the whole tensor."""
        return tuple(self._tensors[name]["shape"])

    def box(self, name: str, ranges: list[range]) -> Tensor:
        """The elements of a tensor in a box.

        Raises:
            ArtifactError: the checkpoint has no such tensor, or not all of it.
        """
        try:
            entry = self._tensors[name]
            found, missing = torch.empty([len(one) for one in ranges], dtype=type_of(entry["dtype"])), -1
            missing = found.numel()
            for file, inside, here in boxes_of(entry, ranges):
                part = self._file(file).part(name, inside)
                found[tuple(slice(one.start, one.stop) for one in here)] = part
                missing -= part.numel()
        except (KeyError, ValueError, IndexError) as error:
            raise self._lacks(name) from error
        if missing != 0:
            raise self._lacks(name)
        return found

    def part(self, prefix: str) -> Section:
        """The tensors whose names begin with `prefix`."""
        return Section(self, prefix)

    def whole(self) -> Checkpoint:
        """All of it in memory."""
        tensors = {name: self.box(name, [range(size) for size in self.shape(name)]) for name in self.names()}
        return Checkpoint(self.step, tensors, self.progress)

    def _file(self, number: int) -> TensorFile:
        if number not in self._open:
            name = self._values["files"][number]["name"]
            self._open[number] = TensorFile(lambda start, end: self._place.read(self.step, name, start, end))
        return self._open[number]

    def _lacks(self, name: str) -> ArtifactError:
        return ArtifactError(
            f"the checkpoint of step {self.step} has no {name}, or not all of it",
            where=self._place.where,
            advice="it is of another model: use a checkpoint of this one",
        )


class Section(Mapping[str, Tensor]):
    """Some of a checkpoint's tensors, without their common prefix; read when asked for."""

    def __init__(self, stored: Stored, prefix: str) -> None:
        self._stored, self._prefix = stored, prefix
        self._names = [name.removeprefix(prefix) for name in stored.names() if name.startswith(prefix)]

    def names(self) -> list[str]:
        """Of all tensors."""
        return self._names

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the whole tensor."""
        return self._stored.shape(self._prefix + name)

    def box(self, name: str, ranges: list[range]) -> Tensor:
        """The elements of a tensor in a box; raises as `Stored.box`."""
        return self._stored.box(self._prefix + name, ranges)

    def __getitem__(self, name: str) -> Tensor:
        """A whole tensor."""
        if name not in self._names:
            raise KeyError(name)
        return self.box(name, [range(size) for size in self.shape(name)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def open_checkpoint(where: Path | str) -> Stored:
    """One checkpoint, of any run; its files are checked.

    Args:
        where: its folder or URL, .../step-N.

    Raises:
        ArtifactError: when it is missing, incomplete or damaged.
    """
    parent, _, name = str(where).rstrip("/").rpartition("/")
    step = step_of(name)
    try:
        if step is None:
            raise DamagedError("its name is not step-N")
        found = Stored.at(open_place(parent or "."), step)
        found.check()
        return found
    except DamagedError as error:
        raise ArtifactError(
            f"this checkpoint is missing, incomplete or damaged: {error}",
            where=where,
            advice="use another checkpoint",
        ) from error
    except OSError as error:
        raise StorageError(f"this checkpoint cannot be read: {error}", where=where) from error
