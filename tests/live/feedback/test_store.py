"""Stores: what is appended is there once, is found, is deleted; both databases do the same."""

from __future__ import annotations

import sqlite3
import stat
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ownlm.errors import InputError, RecipeError, StorageError
from ownlm.live.feedback import schema
from ownlm.live.feedback.identity import Identity
from ownlm.live.feedback.open import open_feedback, open_store
from ownlm.live.feedback.query import sums
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import OTHER, Store
from ownlm.serve.feedback import FeedbackConfig
from tests.live.feedback.conftest import Opened
from tests.live.feedback.made import IDENTITY, NOON, row, row_with_text, told

TABLES = ("ownlm_completions", "ownlm_texts", "ownlm_events", "ownlm_outcomes")


def counts(store: Store) -> dict[str, int]:
    return {name: store.database.query(f"SELECT COUNT(*) FROM {name}")[0][0] for name in TABLES}


def outcomes(store: Store) -> list[tuple[object, ...]]:
    return store.database.query(
        "SELECT c.id, o.choice, o.accepted, o.dismissed, o.characters, kept_30, kept_120, kept_300 "
        "FROM ownlm_outcomes AS o JOIN ownlm_completions AS c ON c.number = o.completion ORDER BY 1, 2"
    )


def test_what_is_appended_is_there_for_others(store: Store, opened: Opened) -> None:
    rows = [row("a", user="ada", language="Go", texts=("one", "three"), first_token_s=0.2, total_s=0.5), row("b")]
    events = [told("a", "view", 1), told("a", "select", 1), told("b", "dismiss", elapsed_s=1.5, view="v-1")]
    assert store.append(rows, events) == ["stored"] * 3
    other = opened()
    assert counts(other) == {"ownlm_completions": 2, "ownlm_texts": 0, "ownlm_events": 3, "ownlm_outcomes": 2}
    assert outcomes(other) == [("a", 1, 1, 0, 5, -1, -1, -1), ("b", 0, 0, 1, 0, -1, -1, -1)]
    ((person, lengths, first),) = other.database.query(
        "SELECT person, lengths, first_s FROM ownlm_completions WHERE id = 'a'"
    )
    assert (person, lengths, first) == (IDENTITY.person("ada"), "3,5", 0.2)
    assert "ada" not in str(other.database.query("SELECT * FROM ownlm_completions"))


def test_events_about_nothing_are_told_apart(store: Store) -> None:
    events = [told("nobody"), told("a", choice=1), told("a", choice=-1), told("a", choice=10**30), told("a")]
    verdicts = store.append([row("a")], events)
    assert verdicts == ["unknown", "no choice", "no choice", "no choice", "stored"]
    assert store.append([], [told("no text")]) == ["unknown"]
    assert store.append([row("none", texts=())], [told("none")]) == ["no choice"]


def test_what_databases_refuse_in_text_is_replaced(store: Store) -> None:
    strange = "a\0b\ud800c"
    rows = [row_with_text(strange, texts=(strange,), prefix=strange, path=strange, language=strange, client=strange)]
    assert store.append(rows, [told(strange, view=strange)]) == ["stored"]
    ((prefix, texts),) = store.database.query("SELECT prefix, texts FROM ownlm_texts")
    assert prefix == "a\ufffdb\ufffd\ufffd\ufffdc"
    assert texts == f'["{prefix}"]'


EVENTS = st.builds(
    lambda completion, kind, choice, view, after, chars: told(
        completion, kind, choice, view=view, accepted=chars, after_s=after, retained=chars or 0
    ),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["view", "select", "dismiss", "survival"]),
    st.integers(0, 1),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from([29.0, 30.0, 120.0, 200.0, 300.5]),
    st.sampled_from([None, 0, 2, 40]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, max_size=12), st.randoms(use_true_random=False))
def test_repeated_and_out_of_order_events_lead_to_the_same_rows(tmp_path: Path, events: list, rng) -> None:
    """One transaction in order against many in any order, with everything told twice."""
    rows = [row("a", texts=("12345", "1")), row("b", texts=("123", ""))]

    def stored(shuffled: bool) -> tuple[list, list]:
        store = Store(SqliteDatabase(tmp_path / f"{uuid.uuid4()}.sqlite3"))
        # Of events with one key the first counts; only those that are equal may change places with each other.
        first = list({(e.completion, e.choice, e.kind, e.view, e.after_ms): e for e in reversed(events)}.values())
        told_of = [*first, *first] if shuffled else first
        if shuffled:
            rng.shuffle(told_of)
            store.append(rows, [])
            for one in told_of:
                assert store.append([rows[0]], [one]) == ["stored"]
        else:
            store.append(rows, told_of)
        found = store.database.query(
            "SELECT c.id, choice, kind, view, after_ms, retained, accepted "
            "FROM ownlm_events JOIN ownlm_completions AS c ON c.number = completion ORDER BY 1, 2, 3, 4, 5"
        )
        both = found, outcomes(store)
        store.close()
        return both

    assert stored(shuffled=True) == stored(shuffled=False)


def test_a_user_is_forgotten_and_nobody_else(store: Store) -> None:
    ada = [row_with_text(f"a{n}", user="ada", prefix="secret_of_ada", texts=("x",)) for n in range(1100)]
    store.append(
        [*ada, row_with_text("b", user="bob", prefix="p", texts=("x",))], [told("a1"), told("b"), told("a1099")]
    )
    assert store.forget(IDENTITY.person("nobody")) == 0
    assert store.forget("") == 0
    assert store.forget(IDENTITY.person("ada")) == 1100
    assert set(counts(store).values()) == {1}
    assert sums(store, ("user",)).keys() == {(IDENTITY.person("bob"),)}


def test_what_is_forgotten_is_on_no_page_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    store = Store(SqliteDatabase(path))
    rows = [row_with_text(f"a{n}", user="ada", prefix="def loom_of_ada(): ...", texts=("x",)) for n in range(50)]
    store.append(rows, [])
    files = [path, path.with_name("s.sqlite3-wal")]
    assert any(b"loom_of_ada" in file.read_bytes() for file in files)
    store.forget(IDENTITY.person("ada"))
    assert not any(b"loom_of_ada" in file.read_bytes() for file in files if file.exists())
    store.close()


def test_old_completions_are_deleted_with_all_that_is_theirs(store: Store) -> None:
    old = [row_with_text(f"o{n}", at=NOON - 0.001, prefix="p") for n in range(600)]
    store.append([*old, row_with_text("new", prefix="p")], [told("o0"), told("new")])
    before = round(NOON * 1000)
    assert [store.forget_before(before) for _ in range(3)] == [500, 100, 0]
    assert set(counts(store).values()) == {1}


def test_a_store_is_tied_to_one_key(store: Store, opened: Opened) -> None:
    store.claim(IDENTITY)
    opened().claim(IDENTITY)
    with pytest.raises(InputError, match="another key"):
        opened().claim(Identity(b"other" * 8))


def test_an_older_store_is_brought_up_to_date_and_a_newer_one_refused(
    store: Store, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([row("a")], [told("a")])
    then = schema.MIGRATIONS
    later = ("ALTER TABLE ownlm_completions ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",)
    monkeypatch.setattr(schema, "MIGRATIONS", (*then, later))
    newer = opened()
    assert newer.database.query("SELECT id, colour FROM ownlm_completions") == [("a", "red")]
    assert counts(opened())["ownlm_events"] == 1
    monkeypatch.setattr(schema, "MIGRATIONS", then)
    with pytest.raises(InputError, match="form 2; this ownlm knows forms up to 1"):
        opened()


def test_a_migration_that_fails_changes_nothing(store: Store, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    then = schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", (*then, ("CREATE TABLE ownlm_more (x TEXT)", "no SQL")))
    with pytest.raises(StorageError):
        opened()
    monkeypatch.setattr(schema, "MIGRATIONS", then)
    assert "ownlm_more" not in opened().database.table_names()


def test_clients_cannot_fill_the_table_of_origins(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ownlm.live.feedback.store.MOST_ORIGINS", 3)
    for number in range(9):
        store.append([row(f"c{number}", client=f"client {number}")], [])
    names = {client for (client,) in sums(store, ("client",))}
    assert names == {"client 0", "client 1", "client 2", OTHER}


def test_sqlite_flushes_every_commit_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "s.sqlite3"
    store = Store(SqliteDatabase(path))
    store.append([row("a")], [])
    pragmas = [
        store.database.query(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "secure_delete")
    ]
    assert pragmas == ["wal", 2, 1]
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


def test_postgres_flushes_every_commit(postgres) -> None:
    store = open_store(FeedbackConfig(url=postgres.new_database("flush")), Path())
    assert store.database.query("SHOW synchronous_commit") == [("on",)]
    store.close()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(InputError, match="no sound feedback store"):
        Store(SqliteDatabase(path))
    with pytest.raises(StorageError, match="cannot be opened"):
        SqliteDatabase(path / "below")


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no feedback here"):
        open_store(FeedbackConfig(), tmp_path)
    with pytest.raises(RecipeError, match="cannot be kept there"):
        open_store(FeedbackConfig(url="mysql://host/x"), tmp_path)
    with pytest.raises(StorageError, match="does not answer") as failed:
        open_feedback(FeedbackConfig(url=f"postgresql://nobody@/x?host={tmp_path}"), tmp_path)
    assert failed.value.where == "postgresql:///x"


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@h/d", "postgresql://h/d?user=u&password=hunter2"])
def test_no_password_in_a_recipe(url: str) -> None:
    with pytest.raises(ValueError, match="pgpass"):
        FeedbackConfig(url=url)
    assert FeedbackConfig(url="postgresql://u@h:5432/d").url


def test_two_gateways_write_one_file(tmp_path: Path) -> None:
    stores = [Store(SqliteDatabase(tmp_path / "s.sqlite3")) for _ in range(2)]
    for number in range(6):
        stores[number % 2].append([row(f"c{number}", language=f"L{number}")], [])
        assert stores[1 - number % 2].append([], [told(f"c{number}")]) == ["stored"]
    assert counts(stores[0])["ownlm_events"] == 6
    for one in stores:
        one.close()


def test_a_plain_sqlite_reads_it(tmp_path: Path) -> None:
    """The file is for people, too."""
    store = Store(SqliteDatabase(tmp_path / "s.sqlite3"))
    store.append([row("a", language="Go")], [told("a", "select")])
    store.close()
    connection = sqlite3.connect(tmp_path / "s.sqlite3")
    found = connection.execute(
        "SELECT language, SUM(accepted) FROM ownlm_outcomes AS o JOIN ownlm_origins AS g ON g.id = o.origin GROUP BY 1"
    ).fetchall()
    connection.close()
    assert found == [("Go", 1)]
