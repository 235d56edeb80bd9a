"""What a store needs of a database: a few statements of SQL that SQLite and Postgres both understand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

Row = tuple[Any, ...]


class Database(ABC):
    """A connection, for one thread at a time. Placeholders of parameters are `?`.

    All methods raise StorageError when the database cannot do it: full, gone, damaged.

    Attributes:
        serial: type of a column that numbers rows itself.
        compact: option of tables that are found by their primary key alone.
        shared: ends a query whose rows nobody may delete until the transaction ends.
        locked: ends a query whose rows are about to be deleted.
        where: for messages; no password is in it.
    """

    serial: str
    compact: str
    shared: str
    locked: str
    where: str

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All that is done inside is durable when it ends, or, after an exception, nothing is."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """All queries inside see the tables at one moment."""

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows a statement gives."""

    @abstractmethod
    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""

    @abstractmethod
    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of parameters."""

    @abstractmethod
    def exclusive(self) -> None:
        """Inside of a transaction: wait until no other process changes the tables' form."""

    @abstractmethod
    def table_names(self) -> set[str]:
        """The tables there are."""

    @abstractmethod
    def shrink(self) -> None:
        """Make what was deleted unreadable on disk, as far as the database can."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""
