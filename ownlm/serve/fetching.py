"""A version's files on this machine: a folder as it is, what is behind a URL copied once."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ownlm.errors import DependencyError, StorageError, first_line
from ownlm.pipeline.own_folder import make_own


def fetch(source: str, version: str, copies: Path | None = None) -> Path:
    """The folder of an export artifact.

    Args:
        source: a folder, or a URL that fsspec knows (s3://...).
        version: its name: a copy of it is taken for the same.
        copies: where copies are kept, a folder of this user's alone; None for one in the user's cache folder.

    Raises:
        DependencyError: the URL's package is missing.
        StorageError: it cannot be read, or not be written here, or somebody else can write where copies are kept.
    """
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    if "://" not in source:
        return Path(source)
    copies = copies or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ownlm" / "versions"
    _check_own(copies)
    copy = copies / version
    if copy.is_dir():
        return copy
    try:
        import fsspec

        aside = Path(tempfile.mkdtemp(prefix=".", dir=copies))
        try:
            system, path = fsspec.core.url_to_fs(source)
            system.get(path.rstrip("/") + "/", str(aside), recursive=True)
            aside.replace(copy)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except ImportError as error:
        raise DependencyError(
            f"the package {error.name} is not installed", where=source, advice="install it: pip install 'ownlm[s3]'"
        ) from error
    except Exception as error:  # each storage has errors of its own
        raise StorageError(f"the version cannot be fetched: {first_line(error)}", where=source) from error
    return copy


def _check_own(folder: Path) -> None:
    """Make the folder, or see that nobody else can have put there what would be served."""
    try:
        own = make_own(folder, 0o700)
    except OSError as error:
        raise StorageError(
            f"the folder of fetched versions cannot be made: {error.strerror or error}", where=folder
        ) from error
    if not own:
        raise StorageError(
            "the folder of fetched versions is not this user's alone",
            where=folder,
            advice="look into it, and remove it",
        )
