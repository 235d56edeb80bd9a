"""Where checkpoints lie: a folder of this machine (or one that all machines share), or a URL that fsspec knows.

folder   .step-N.new/ filled, synced ─► renamed to step-N/             (a rename is all or nothing)
URL      step-N/* ─► step-N/checkpoint.json last                       (without it there is no checkpoint)
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from ownlm.errors import DependencyError, RecipeError, StorageError, first_line
from ownlm.pipeline.artifact import sync_folder
from ownlm.pipeline.tracking.redact import redact
from ownlm.recipe.base import local_path
from ownlm.tokens.shards.storage import checked_url, is_url
from ownlm.train.checkpoint.description import DESCRIPTION

_PREFIX = "step-"


class Place(Protocol):
    """Holds checkpoints by step. Only the first process publishes and removes."""

    where: str

    def steps(self) -> list[int]:
        """Of complete checkpoints, newest first; they may be damaged."""
        ...

    def writing(self, step: int, name: str) -> Any:
        """A context that gives a stream for one file; durable when it ends. Raises OSError."""
        ...

    def publish(self, step: int, description: bytes, files: set[str]) -> None:
        """Make a checkpoint of the files that were written for it. Raises OSError."""
        ...

    def abandon(self, step: int) -> None:
        """Drop what was written for a checkpoint that will not be."""
        ...

    def clean(self) -> None:
        """Drop what saves left that did not come to their end."""
        ...

    def description(self, step: int) -> bytes:
        """Raises FileNotFoundError, or another OSError."""
        ...

    def read(self, step: int, name: str, start: int, end: int) -> bytes:
        """Bytes of a file. Raises FileNotFoundError, or another OSError."""
        ...

    def remove(self, step: int) -> None:
        """Drop a checkpoint. Raises OSError."""
        ...


class Folder:
    """A folder of a file system; made when the first checkpoint is saved."""

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)

    def steps(self) -> list[int]:
        """See `Place`."""
        return _steps(path.name for path in self.path.glob(f"{_PREFIX}*"))

    @contextmanager
    def writing(self, step: int, name: str) -> Iterator[BinaryIO]:
        """See `Place`."""
        folder = self._new(step)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())

    def publish(self, step: int, description: bytes, files: set[str]) -> None:
        """See `Place`."""
        new, final = self._new(step), self.path / name_of(step)
        with self.writing(step, DESCRIPTION) as stream:
            stream.write(description)
        for path in new.iterdir():  # of a save that was killed, with more processes
            if path.name not in files | {DESCRIPTION}:
                path.unlink()
        sync_folder(new)
        _remove(final)
        new.rename(final)
        sync_folder(self.path)

    def abandon(self, step: int) -> None:
        """See `Place`."""
        shutil.rmtree(self._new(step), ignore_errors=True)

    def clean(self) -> None:
        """See `Place`."""
        for leftover in self.path.glob(f".{_PREFIX}*.new"):
            _remove(leftover)

    def description(self, step: int) -> bytes:
        """See `Place`."""
        return (self.path / name_of(step) / DESCRIPTION).read_bytes()

    def read(self, step: int, name: str, start: int, end: int) -> bytes:
        """See `Place`."""
        with (self.path / name_of(step) / name).open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start)

    def remove(self, step: int) -> None:
        """See `Place`."""
        _remove(self.path / name_of(step))

    def _new(self, step: int) -> Path:
        return self.path / f".{name_of(step)}.new"


class Address:
    """A folder below a URL.

    Args:
        url: without credentials; those are the environment's.

    Raises:
        RecipeError: it holds credentials, or nobody knows this kind of URL.
        DependencyError: the package for it is missing.
    """

    def __init__(self, url: str) -> None:
        self.where = checked_url(url)
        try:
            from fsspec.core import url_to_fs

            self._system, root = url_to_fs(self.where)
        except ImportError as error:
            raise DependencyError(
                f"checkpoints at this address need a package: {first_line(error)}",
                where=self.where,
                advice="for s3:// install it with: pip install 'ownlm[s3]'",
            ) from error
        except ValueError as error:
            raise RecipeError(
                f"the address cannot be used: {redact(first_line(error))}", where="train.checkpoints.to"
            ) from error
        self._root = root.rstrip("/")

    def steps(self) -> list[int]:
        """See `Place`."""
        with self._asked():
            self._system.invalidate_cache()
            if not self._system.exists(self._root):
                return []
            names = [str(path).rstrip("/").rsplit("/", 1)[-1] for path in self._system.ls(self._root, detail=False)]
            return [step for step in _steps(names) if self._system.exists(self._path(step, DESCRIPTION))]

    @contextmanager
    def writing(self, step: int, name: str) -> Iterator[BinaryIO]:
        """See `Place`."""
        with self._asked():
            self._system.makedirs(f"{self._root}/{name_of(step)}", exist_ok=True)
            with self._system.open(self._path(step, name), "wb") as stream:
                yield stream

    def publish(self, step: int, description: bytes, files: set[str]) -> None:
        """See `Place`."""
        with self._asked():
            self._system.pipe_file(self._path(step, DESCRIPTION), description)

    def abandon(self, step: int) -> None:
        """See `Place`."""
        try:
            self.remove(step)
        except OSError:
            return  # nothing refers to it

    def clean(self) -> None:
        """See `Place`. Files without a description cost room, and are written again under the same names."""

    def description(self, step: int) -> bytes:
        """See `Place`."""
        with self._asked():
            return bytes(self._system.cat_file(self._path(step, DESCRIPTION)))

    def read(self, step: int, name: str, start: int, end: int) -> bytes:
        """See `Place`."""
        if start >= end:
            return b""
        try:
            with self._asked():
                return bytes(self._system.cat_file(self._path(step, name), start=start, end=end))
        except OSError as error:
            if error.errno == errno.EINVAL:  # S3's answer to a range behind the end: the file is cut short
                return b""
            raise

    def remove(self, step: int) -> None:
        """See `Place`."""
        with self._asked():
            if self._system.exists(self._path(step, DESCRIPTION)):
                self._system.rm_file(self._path(step, DESCRIPTION))
            if self._system.exists(f"{self._root}/{name_of(step)}"):
                self._system.rm(f"{self._root}/{name_of(step)}", recursive=True)

    def _path(self, step: int, name: str) -> str:
        return f"{self._root}/{name_of(step)}/{name}"

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Every backend has errors of its own: all become OSErrors."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            raise OSError(redact(first_line(error))) from error


def open_place(where: Path | str) -> Place:
    """A path or a URL; file:// is a path."""
    if isinstance(where, str) and where.startswith("file://"):
        return Folder(Path(unquote(urlsplit(checked_url(where)).path)))
    if isinstance(where, str) and is_url(where):
        return Address(where)
    return Folder(local_path(str(where)))


def name_of(step: int) -> str:
    """Of a checkpoint's folder."""
    return f"{_PREFIX}{step:08d}"


def step_of(name: str) -> int | None:
    """The inverse of `name_of`; None: it is something else's."""
    digits = name.removeprefix(_PREFIX)
    return int(digits) if name.startswith(_PREFIX) and digits.isdecimal() else None


def unreachable(where: str, error: OSError) -> StorageError:
    """The error of a place that cannot be read."""
    return StorageError(
        f"the checkpoints cannot be read: {error}",
        where=where,
        advice="see that it can be reached and read, then run the same command",
    )


def _steps(names: Any) -> list[int]:
    return sorted((step for step in map(step_of, names) if step is not None), reverse=True)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
