"""Where revisions are kept: files that are made once, numbered, in a folder or below a URL.

<registry>/000000001.json, 000000002.json, ...   one a revision (`record.Record`)
           bucket.key                            what places users (`bucket.Bucketing`)

A revision exists or it does not: a folder gets it by a hard link to a synced file, an object storage by a conditional
put. Both refuse a name that is taken, which is how two operators cannot lose each other's change.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ownlm.errors import BusyError, DependencyError, ServerError, StorageError, first_line
from ownlm.pipeline.artifact import sync_folder
from ownlm.pipeline.tracking.redact import redact
from ownlm.tokens.shards.storage import checked_url

KEY_FILE = "bucket.key"
_DIGITS = 9
_T = TypeVar("_T")


class Log(Protocol):
    """Numbered records. Every method raises `ServerError` or `StorageError` when the place cannot be used."""

    where: str
    pause_s: float
    """Between asking for news: what that costs depends on the place."""

    def last(self) -> int:
        """The highest number there is; 0 for none."""
        ...

    def news(self, known: int) -> bool:
        """Whether there is something after record `known`; cheap, asked several times a second."""
        ...

    def read(self, number: int) -> bytes:
        """A record. Raises FileNotFoundError where there is none."""
        ...

    def append(self, number: int, data: bytes) -> int:
        """Add a record durably, as `number`; returns the number it got.

        Raises:
            BusyError: somebody has added one of this number.
        """
        ...

    def key(self, make: Callable[[], bytes]) -> bytes:
        """The secret key; made and kept when there is none."""
        ...


class FolderLog:
    """A folder of a file system that knows hard links; made when the first record is written."""

    pause_s = 0.1

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)

    def last(self) -> int:
        """See `Log`."""
        try:
            return highest(entry.name for entry in os.scandir(self.path))
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._refused(error) from error

    def news(self, known: int) -> bool:
        """See `Log`."""
        try:
            (self.path / file_name(known + 1)).stat()
        except FileNotFoundError:
            if known:
                self._reach()
            return False
        except OSError as error:
            raise self._refused(error) from error
        return True

    def read(self, number: int) -> bytes:
        """See `Log`."""
        try:
            return (self.path / file_name(number)).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._refused(error) from error

    def append(self, number: int, data: bytes) -> int:
        """See `Log`."""
        try:
            self._make(file_name(number), data, 0o644)
        except FileExistsError:
            raise taken(self.where) from None
        except OSError as error:
            raise self._refused(error) from error
        return number

    def key(self, make: Callable[[], bytes]) -> bytes:
        """See `Log`. Only its owner may read the file."""
        path = self.path / KEY_FILE
        try:
            if not path.exists():
                with suppress(FileExistsError):
                    self._make(KEY_FILE, make(), 0o600)
            return path.read_bytes()
        except OSError as error:
            raise self._refused(error) from error

    def _make(self, name: str, data: bytes, mode: int) -> None:
        """Whole and durable under its name, or not at all. Raises FileExistsError, or another OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f".{name}.{secrets.token_hex(8)}.new"
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, self.path / name)
            sync_folder(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _reach(self) -> None:
        """A folder that is gone (not mounted any more) must not look like one without news."""
        if not self.path.is_dir():
            raise self._refused(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))

    def _refused(self, error: OSError) -> StorageError:
        advice = "see that the folder is there, can be written, has space, and lies on a file system with hard links"
        return StorageError(
            f"the registry cannot be used: {error.strerror or first_line(error)}", where=self.where, advice=advice
        )


class UrlLog:
    """A folder below a URL that fsspec knows, in a storage with conditional puts (S3, GCS).

    Args:
        url: without credentials; those are the environment's.

    Raises:
        RecipeError: it holds credentials.
        DependencyError: the package for it is missing.
    """

    pause_s = 0.25

    def __init__(self, url: str) -> None:
        self.where = checked_url(url)
        try:
            from fsspec.core import url_to_fs

            self._system, root = url_to_fs(self.where)
        except ImportError as error:
            advice = "for s3:// install it with: pip install 'ownlm[s3]'"
            said = f"a registry at this address needs a package: {first_line(error)}"
            raise DependencyError(said, where=self.where, advice=advice) from error
        self._root: str = root.rstrip("/")

    def last(self) -> int:
        """See `Log`."""

        def ask() -> int:
            self._system.invalidate_cache()
            try:
                paths = self._system.ls(self._root, detail=False)
            except FileNotFoundError:
                return 0
            return highest(str(path).rstrip("/").rsplit("/", 1)[-1] for path in paths)

        return self._asked(ask)

    def news(self, known: int) -> bool:
        """See `Log`. One HEAD request."""

        def ask() -> bool:
            self._system.invalidate_cache()
            return bool(self._system.exists(self._path(file_name(known + 1))))

        return self._asked(ask)

    def read(self, number: int) -> bytes:
        """See `Log`."""
        return self._asked(lambda: self._read(file_name(number)))

    def append(self, number: int, data: bytes) -> int:
        """See `Log`."""
        name = file_name(number)
        try:
            self._asked(lambda: self._create(name, data))
        except FileExistsError:
            # A put whose answer was lost is sent again by the client, and then finds itself there.
            if self.read(number) != data:
                raise taken(self.where) from None
        return number

    def key(self, make: Callable[[], bytes]) -> bytes:
        """See `Log`."""

        def ask() -> bytes:
            try:
                return self._read(KEY_FILE)
            except FileNotFoundError:
                with suppress(FileExistsError):
                    self._create(KEY_FILE, make())
                return self._read(KEY_FILE)

        return self._asked(ask)

    def _read(self, name: str) -> bytes:
        self._system.invalidate_cache()
        return bytes(self._system.cat_file(self._path(name)))

    def _create(self, name: str, data: bytes) -> None:
        try:
            self._system.pipe_file(self._path(name), data, mode="create")
        except OSError as error:
            if isinstance(error, FileExistsError) or "PreconditionFailed" in repr(error) + repr(error.__cause__):
                raise FileExistsError(name) from error
            raise

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """Every backend has errors of its own."""
        try:
            return ask()
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            advice = "check the address, the network, and the credentials in the environment (for S3: AWS_*, ~/.aws)"
            said = redact(first_line(error))
            raise ServerError(f"the registry does not answer: {said}", where=self.where, advice=advice) from error


def file_name(number: int) -> str:
    """Of a revision."""
    return f"{number:0{_DIGITS}d}.json"


def highest(names: Any) -> int:
    """The highest number among names of files; 0 for none."""
    stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return max((int(stem) for stem in stems if stem.isascii() and stem.isdigit()), default=0)


def taken(where: str) -> BusyError:
    """Somebody else was faster."""
    return BusyError(
        "the registry was changed by somebody else at the same moment",
        where=where,
        advice="look at `ownlm rollout show`, then run the command again if it still makes sense",
    )
