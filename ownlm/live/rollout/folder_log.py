"""Revisions as files of a folder; see `log`. A name that is taken is refused by the hard link that makes it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ownlm.errors import StorageError, first_line
from ownlm.live.rollout.log import KEY_FILE, file_name, highest, taken
from ownlm.pipeline.artifact import sync_folder


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
