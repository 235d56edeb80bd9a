"""Opens what `serve.feedback` asks for: `open_feedback` for a gateway, `open_store` for who reads and deletes."""

from __future__ import annotations

from pathlib import Path

from ownlm.errors import InputError, RecipeError
from ownlm.live.feedback.identity import Identity, open_identity
from ownlm.live.feedback.recorder import Recorder
from ownlm.live.feedback.store import Store
from ownlm.serve.feedback import FeedbackConfig

FILE = "feedback/events.sqlite3"
KEY = "feedback.key"


def open_feedback(settings: FeedbackConfig, home: Path) -> Recorder:
    """The feedback of a gateway (see `ownlm.serve.feedback.Feedback`); `close` it at the end.

    Args:
        settings: `serve.feedback` of a recipe.
        home: the home folder; what the settings leave open lies below it.

    Raises:
        DependencyError: a package is missing.
        InputError: the store or its key belongs to something else.
        StorageError: the store cannot be reached or made.
    """
    identity = open_identity(key_path(settings, home), create=True)
    scrub = None
    if settings.keep_text:
        from ownlm.live.feedback.scrub import scrub_code

        scrub = scrub_code
    store = open_store(settings, home, create=True)
    try:
        store.claim(identity)
        return Recorder(store, identity, settings, scrub)
    except BaseException:
        store.close()
        raise


def open_store(settings: FeedbackConfig, home: Path, *, create: bool = False) -> Store:
    """The store that settings name.

    Args:
        settings: `serve.feedback` of a recipe; only its `url` counts.
        home: the home folder.
        create: make a SQLite file that is not there.

    Raises:
        InputError: there is none.
        DependencyError, StorageError: see `open_feedback`.
    """
    if settings.url.startswith(("postgresql://", "postgres://")):
        from ownlm.live.feedback.postgres import PostgresDatabase

        return Store(PostgresDatabase(settings.url))
    from ownlm.live.feedback.sqlite import SqliteDatabase

    path = sqlite_path(settings, home)
    if not create and not path.is_file():
        advice = "Serve with serve.feedback set, or name another store (--store)."
        raise InputError("There is no feedback here.", where=path, advice=advice)
    return Store(SqliteDatabase(path))


def open_reader(settings: FeedbackConfig, home: Path) -> tuple[Store, Identity]:
    """Store and key, for who asks for users by name."""
    store = open_store(settings, home)
    try:
        identity = open_identity(key_path(settings, home), create=False)
        store.claim(identity)
    except BaseException:
        store.close()
        raise
    return store, identity


def sqlite_path(settings: FeedbackConfig, home: Path) -> Path:
    """The file of a store that is no server."""
    url = settings.url.removeprefix("sqlite:///")
    if "://" in url:
        advice = "Give a file's path, or postgresql://user@host/database."
        raise RecipeError("Feedback cannot be kept there.", where=f"serve.feedback.url: {url}", advice=advice)
    return Path(url).expanduser() if url else home / FILE


def key_path(settings: FeedbackConfig, home: Path) -> Path:
    """The file of the key."""
    if settings.key_file:
        return Path(settings.key_file).expanduser()
    if settings.url.startswith(("postgresql://", "postgres://")):
        return home / "feedback" / KEY
    return sqlite_path(settings, home).with_name(KEY)
