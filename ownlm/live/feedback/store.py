"""A feedback store: what is appended is durable, idempotent, and found again by time and by person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Literal, TypeVar

from ownlm.errors import InputError
from ownlm.live.feedback import schema
from ownlm.live.feedback.database import Database
from ownlm.live.feedback.event import SCHEMA
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.outcomes import UPSERT, outcome_of
from ownlm.live.feedback.rows import CompletionRow, EventRow
from ownlm.live.feedback.schema import DAY_MS, ORIGIN_FIELDS

T = TypeVar("T")
Verdict = Literal["stored", "unknown", "no choice"]
"""Of an event: it is there; its completion is not; the completion has no such choice."""

MOST_ORIGINS = 20_000
"""Clients name themselves: beyond so many kinds of origins a new client is `OTHER`, so that none fills the table."""
OTHER = "(other)"
_AT_ONCE = 500
_COMPLETION = (
    "INSERT INTO ownlm_completions (id, schema, day, at, origin, person, bucket, lengths, prompt_tokens, "
    "generated_tokens, first_s, total_s, first_bucket, total_bucket, outcome) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_TEXT = (
    "INSERT INTO ownlm_texts (id, prefix, skipped, after, path, texts) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO NOTHING"
)
_EVENT = (
    "INSERT INTO ownlm_events (completion, choice, kind, view, after_ms, schema, at, elapsed_s, retained, accepted) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (completion, choice, kind, view, after_ms) DO NOTHING"
)


class Store:
    """The tables of a database; made, or brought up to date, when this is. For one thread at a time.

    Args:
        database: an open one; `close` closes it.

    Raises:
        InputError: the tables are of a newer ownlm.
        StorageError: the database refuses.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._origins: dict[tuple[str, ...], int] = {}
        try:
            self._migrate()
        except BaseException:
            database.close()
            raise

    def _migrate(self) -> None:
        if self._version() == len(schema.MIGRATIONS):
            return
        with self.database.transaction():
            self.database.exclusive()
            version = self._version()
            if version > len(schema.MIGRATIONS):
                raise InputError(
                    f"The feedback store has form {version}; this ownlm knows forms up to {len(schema.MIGRATIONS)}.",
                    where=self.database.where,
                    advice="Update ownlm here.",
                )
            if version == 0:
                self.database.run("CREATE TABLE ownlm_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            for statements in schema.MIGRATIONS[version:]:
                for statement in statements:
                    self.database.run(statement.format(serial=self.database.serial, compact=self.database.compact))
            self._note("form", str(len(schema.MIGRATIONS)))

    def _version(self) -> int:
        if "ownlm_meta" not in self.database.table_names():
            return 0
        return int(self._noted("form") or 0)

    def _noted(self, name: str) -> str | None:
        rows = self.database.query("SELECT value FROM ownlm_meta WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def _note(self, name: str, value: str) -> None:
        sql = (
            "INSERT INTO ownlm_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        self.database.run(sql, (name, value))

    def claim(self, identity: Identity) -> None:
        """Tie the store to a key, or make sure that it is tied to this one.

        Raises:
            InputError: it is tied to another: the same user would get two names.
        """
        with self.database.transaction():
            self.database.exclusive()
            if self._noted("key") is None:
                self._note("key", identity.fingerprint)
            elif self._noted("key") != identity.fingerprint:
                advice = "Copy the key file of the first gateway here, and name it (serve.feedback.key_file)."
                raise InputError(
                    "The feedback store was made with another key.", where=self.database.where, advice=advice
                )

    def append(self, completions: Sequence[CompletionRow], events: Sequence[EventRow]) -> list[Verdict]:
        """Store all of these in one transaction; a verdict for each event. What is there already stays as it is.

        Raises:
            StorageError: nothing was stored.
        """
        known = dict(self._origins)
        try:
            with self.database.transaction():
                return self._append(completions, events)
        except BaseException:
            self._origins = known
            raise

    def _append(self, completions: Sequence[CompletionRow], events: Sequence[EventRow]) -> list[Verdict]:
        # In one order everywhere, so that two writers never wait for each other.
        completions = sorted(completions, key=lambda row: row.id)
        self._know_origins({self._origin(row) for row in completions})
        self.database.run_many(_COMPLETION, [self._columns(row) for row in completions])
        texts = [(row.id, row.text) for row in completions if row.text is not None]
        self.database.run_many(
            _TEXT, [(id_, text.prefix, text.skipped, text.after, text.path, text.texts_json) for id_, text in texts]
        )
        found = self._found({event.completion for event in events})
        verdicts: list[Verdict] = []
        rows: list[tuple[Any, ...]] = []
        outcomes: list[tuple[Any, ...]] = []
        for event in events:
            if (completion := found.get(event.completion)) is None:
                verdicts.append("unknown")
            elif not 0 <= event.choice < len(lengths := completion[4]):
                verdicts.append("no choice")
            else:
                number, at, origin, person, _ = completion
                verdicts.append("stored")
                place = (number, event.choice)
                told = (SCHEMA, event.at, event.elapsed_s, event.retained, event.accepted)
                rows.append((*place, event.kind, event.view, event.after_ms, *told))
                outcomes.append((*place, at // DAY_MS, at, origin, person, *outcome_of(event, lengths[event.choice])))
        self.database.run_many(_EVENT, _sorted(rows))
        self.database.run_many(UPSERT, sorted(outcomes))
        return verdicts

    def _columns(self, row: CompletionRow) -> tuple[object, ...]:
        return (
            *(row.id, SCHEMA, row.at // DAY_MS, row.at, self._origins[self._origin(row)], row.person, row.bucket),
            *(",".join(map(str, row.lengths)), row.prompt_tokens, row.generated_tokens),
            *(row.first_s, row.total_s, row.first_bucket, row.total_bucket, row.outcome),
        )

    def _origin(self, row: CompletionRow) -> tuple[str, ...]:
        if row.origin in self._origins or len(self._origins) < MOST_ORIGINS:
            return row.origin
        values = dict(zip(ORIGIN_FIELDS, row.origin, strict=True)) | {"client": OTHER}
        return tuple(values.values())

    def _know_origins(self, wanted: Iterable[tuple[str, ...]]) -> None:
        """Give origins that are new here their numbers."""
        new = sorted(origin for origin in wanted if origin not in self._origins)
        if not new:
            return
        names = ", ".join(ORIGIN_FIELDS)
        marks = ", ".join("?" for _ in ORIGIN_FIELDS)
        sql = f"INSERT INTO ownlm_origins ({names}) VALUES ({marks}) ON CONFLICT ({names}) DO NOTHING"  # noqa: S608
        self.database.run_many(sql, new)
        where = " AND ".join(f"{name} = ?" for name in ORIGIN_FIELDS)
        for origin in new:
            ((number,),) = self.database.query(f"SELECT id FROM ownlm_origins WHERE {where}", origin)  # noqa: S608
            self._origins[origin] = number

    def _found(self, ids: set[str]) -> dict[str, tuple[int, int, int, str, tuple[int, ...]]]:
        """(number, at, origin, person, lengths) of completions that are there, by id."""
        found = {}
        for some in chunks(sorted(ids), _AT_ONCE):
            marks = ", ".join("?" for _ in some)
            sql = f"SELECT id, number, at, origin, person, lengths FROM ownlm_completions WHERE id IN ({marks})"  # noqa: S608
            for id_, number, at, origin, person, lengths in self.database.query(sql + self.database.shared, some):
                each = tuple(map(int, lengths.split(","))) if lengths else ()
                found[id_] = (number, at, origin, person, each)
        return found

    def forget(self, person: str) -> int:
        """Delete all of a person (see `Identity.person`); how many completions that were."""
        deleted = 0
        while person and (some := self._delete_some("person = ?", person)):
            deleted += some
        self.database.shrink()
        return deleted

    def forget_before(self, at: int) -> int:
        """Delete completions from before a time (milliseconds since 1970) with their events.

        Returns:
            How many that were; there may be more as long as it is not 0: no writer shall wait for all of them.
        """
        return self._delete_some("day <= ? AND at < ?", at // DAY_MS, at)

    def _delete_some(self, which: str, *values: object) -> int:
        with self.database.transaction():
            sql = f"SELECT number, id FROM ownlm_completions WHERE {which} LIMIT {_AT_ONCE}"  # noqa: S608
            rows = self.database.query(sql + self.database.locked, values)
            numbers, ids = [(number,) for number, _ in rows], [(id_,) for _, id_ in rows]
            self.database.run_many("DELETE FROM ownlm_texts WHERE id = ?", ids)
            self.database.run_many("DELETE FROM ownlm_events WHERE completion = ?", numbers)
            self.database.run_many("DELETE FROM ownlm_outcomes WHERE completion = ?", numbers)
            self.database.run_many("DELETE FROM ownlm_completions WHERE number = ?", numbers)
            return len(rows)

    def close(self) -> None:
        """Disconnect."""
        self.database.close()


def _sorted(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Event rows by their key; what follows it may be null, which has no order."""
    return sorted(rows, key=lambda row: row[:5])


def chunks(items: Sequence[T], size: int) -> Iterable[list[T]]:
    """The items, so many at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
