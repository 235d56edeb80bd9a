"""A version's files on this machine: a folder as it is, what is behind a URL copied once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ownlm.errors import DependencyError, StorageError, first_line

COPIES = "ownlm-versions"


def fetch(source: str, version: str, copies: Path | None = None) -> Path:
    """The folder of an export artifact.

    Args:
        source: a folder, or a URL that fsspec knows (s3://...).
        version: its name: a copy of it is taken for the same.
        copies: where copies are kept; None for a folder of this user among the system's temporary files.

    Raises:
        DependencyError: the URL's package is missing.
        StorageError: it cannot be read, or not be written here.
    """
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    if "://" not in source:
        return Path(source)
    copies = copies or Path(tempfile.gettempdir()) / f"{COPIES}-{Path.home().name}"
    copy = copies / version
    if copy.is_dir():
        return copy
    try:
        import fsspec

        copies.mkdir(mode=0o700, parents=True, exist_ok=True)
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
