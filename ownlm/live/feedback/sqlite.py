"""SQLite: one file, for the gateways of one machine.

WAL with `synchronous=FULL`: a commit is on disk when it returns. Readers never wait for the writer, nor it for them.
The file is its owner's alone, and deleted rows are overwritten.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ownlm.errors import InputError, OwnlmError, StorageError
from ownlm.live.feedback.database import Database, Row

BUSY_S = 10.0
"""A writer waits so long for that of another process."""


class SqliteDatabase(Database):
    """See `Database`.

    Args:
        path: the file; it and its folder are made.

    Raises:
        InputError: the file is no SQLite database.
        StorageError: it cannot be made or opened.
    """

    serial = "INTEGER PRIMARY KEY"
    compact = "WITHOUT ROWID"
    shared = locked = ""  # there is one writer at a time

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its own files (-wal, -shm) the mode of this one. A file that is there must not be opened
            # here: closing it again would drop the locks of this process's other connections to it (POSIX), and the
            # next process to close the store would then delete the -wal that those still write to.
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise StorageError(f"The feedback store cannot be opened ({error.strerror}).", where=path) from error
        with self._telling():
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "secure_delete=ON"):
                    self._connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Database.transaction`."""
        with self._telling():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `Database.reading`."""
        with self._telling():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Database.query`."""
        with self._telling():
            return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """See `Database.run`."""
        with self._telling():
            return self._connection.execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """See `Database.run_many`."""
        with self._telling():
            self._connection.executemany(sql, rows)

    def exclusive(self) -> None:
        """See `Database.exclusive`: BEGIN IMMEDIATE is that already."""

    def table_names(self) -> set[str]:
        """See `Database.table_names`."""
        return {str(name) for (name,) in self.query("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def shrink(self) -> None:
        """See `Database.shrink`: the log still holds older pages until it is emptied."""
        with self._telling(), closing(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")) as cursor:
            cursor.fetchall()

    def close(self) -> None:
        """See `Database.close`."""
        self._connection.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn errors of SQLite into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> OwnlmError:
        name = getattr(error, "sqlite_errorname", "")
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            advice = "Move it away and restore a backup; a new one is made when the gateway starts."
            return InputError(f"This is no sound feedback store ({error}).", where=self.where, advice=advice)
        advice = "Free disk space." if name == "SQLITE_FULL" else "Look at the disk and the rights of the folder."
        return StorageError(f"The feedback store refuses ({error}).", where=self.where, advice=advice)
