"""Where shard files are: a folder of this machine, or a URL that fsspec knows (s3://, https://, memory://, ...).

Credentials come from the environment or fsspec's own configuration, never from a URL: one that holds any is refused,
and no message shows what was refused.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from ownlm.errors import ArtifactError, DependencyError, RecipeError, ServerError, first_line
from ownlm.pipeline.tracking.redact import redact

CHUNK = 8 << 20
STORED = "store.json"
_WHOLE_OR_NOTHING = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
_S3 = frozenset({"s3", "s3a"})
_T = TypeVar("_T")


class MissingError(ArtifactError):
    """A file is not where it should be."""


class DamagedError(ArtifactError):
    """A file's bytes are not those its index describes."""


class Storage(Protocol):
    """Where the files of a split are."""

    remote: bool

    def where(self, name: str) -> str:
        """What a person calls the file."""
        ...

    def size(self, name: str) -> int:
        """Its bytes.

        Raises:
            MissingError: it is not there.
            ServerError: the server does not answer, or refuses.
        """
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """Its bytes, a few MB at a time; raises as `size` does."""
        ...


class Folder:
    """A folder of this machine."""

    remote = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def where(self, name: str) -> str:
        """Its path."""
        return str(self.path / name)

    def size(self, name: str) -> int:
        """Its bytes."""
        return self._asked(name, lambda path: path.stat().st_size)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Its bytes, a few MB at a time."""
        with self._asked(name, lambda path: path.open("rb")) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def _asked(self, name: str, ask: Callable[[Path], _T]) -> _T:
        try:
            return ask(self.path / name)
        except OSError as error:
            raise MissingError(
                f"the shards cannot be read: {error}", where=self.where(name), advice=advice_for(self)
            ) from error


class Bucket:
    """A folder below a URL.

    Args:
        url: checked with `checked_url`.

    Raises:
        RecipeError: nobody knows this kind of URL.
        DependencyError: the package for it is missing.
    """

    remote = True

    def __init__(self, url: str) -> None:
        self.url = checked_url(url)
        self._system, self._root = _file_system(self.url)

    def where(self, name: str) -> str:
        """Its URL."""
        return f"{self.url}/{name}"

    def size(self, name: str) -> int:
        """Its bytes; a server that does not tell is an error."""

        def ask() -> int:
            self._system.invalidate_cache()  # what was listed before an upload, or before a repair
            return int(self._system.info(self._path(name))["size"])

        return self._asked(name, ask)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Its bytes, a few MB at a time, nothing read ahead."""
        # Web servers need not know ranges of bytes; their files are one answer, read on.
        how = {"block_size": 0} if "http" in _protocols(self._system) else {"cache_type": "none"}
        stream = self._asked(name, lambda: self._system.open(self._path(name), "rb", **how))
        with stream:
            while chunk := self._asked(name, lambda: stream.read(CHUNK)):
                yield chunk

    def has(self, name: str, size: int) -> bool:
        """Whether a file of this name and size is there; raises as `size` does, but for one that is missing."""
        try:
            return self.size(name) == size
        except MissingError:
            return False

    def put(self, file: Path, name: str) -> None:
        """Upload a file; it appears under its name whole or not at all.

        Raises:
            ServerError: the server does not answer, or refuses.
        """
        self._asked(name, lambda: self._put(file, name))
        if not self.has(name, file.stat().st_size):
            raise ServerError("a file is not there whole after its upload", where=self.where(name))

    def _put(self, file: Path, name: str) -> None:
        path = self._path(name)
        if not _protocols(self._system).isdisjoint(_WHOLE_OR_NOTHING):
            self._system.put_file(str(file), path)
            return
        self._system.makedirs(self._root, exist_ok=True)
        self._system.put_file(str(file), f"{path}.part")
        self._system.mv(f"{path}.part", path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _asked(self, name: str, ask: Callable[[], _T]) -> _T:
        """Every backend has errors of its own: all but a few mean that the server is not to be had."""
        try:
            return ask()
        except FileNotFoundError as error:
            raise MissingError("a file is not there", where=self.where(name), advice=advice_for(self)) from error
        except ImportError as error:
            raise _missing_package(self.url, error) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            said = redact(first_line(error))
            if type(error).__name__ == "FlexibleChecksumError":  # botocore's, which this file cannot import
                raise DamagedError(
                    f"a file's bytes are not what its server says of them: {said}",
                    where=self.where(name),
                    advice=advice_for(self),
                ) from error
            raise ServerError(
                f"the storage does not give or take a file: {said}", where=self.where(name), advice=_REACH
            ) from error


_REACH = "check the address, the network, and the credentials in the environment (for S3: AWS_*, ~/.aws)"


def advice_for(storage: Storage) -> str:
    """What to do about a file that is damaged or missing."""
    if storage.remote:
        return (
            "delete this file in the storage if it is there, and push the shards again: `ownlm shards push`; where "
            "`shards.store` put them, move the shards artifact's folder away and run the recipe: they are made again"
        )
    return "move this artifact's folder away and run the same command: it is made again, the rest is kept"


def is_url(where: str) -> bool:
    """Whether it is a URL, and not a path."""
    return "://" in where


def checked_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        RecipeError: it holds credentials or a query, or is not a URL. The message does not show it.
    """
    try:
        parts = urlsplit(url.rsplit("::", 1)[-1])
        held = parts.username is not None or parts.password is not None or "@" in parts.netloc
    except ValueError:
        raise RecipeError("The address of the shards is not a URL.", advice=_EXAMPLE) from None
    if held or "?" in url or "#" in url:
        raise RecipeError(
            "The address of the shards holds credentials, a query or a fragment.",
            advice=f"Leave only scheme, host and folder; credentials belong in the environment. {_EXAMPLE}",
        )
    if not parts.scheme or "://" not in url:
        raise RecipeError("The address of the shards is not a URL.", advice=_EXAMPLE)
    return url.rstrip("/")


_EXAMPLE = "For example: s3://bucket/folder."


def open_storage(where: Path | str) -> Folder | Bucket:
    """A path or a URL; file:// is a path."""
    if isinstance(where, str) and where.startswith("file://"):
        return Folder(Path(unquote(urlsplit(checked_url(where)).path)))
    if isinstance(where, str) and is_url(where):
        return Bucket(where)
    return Folder(Path(where))


def free_bytes(folder: Path) -> int:
    """What is left on the disk of a folder."""
    return shutil.disk_usage(folder).free


def _protocols(system: Any) -> frozenset[str]:
    return frozenset([system.protocol] if isinstance(system.protocol, str) else system.protocol)


def _file_system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise _missing_package(url, error) from error
    try:
        system, root = url_to_fs(url)
    except ImportError as error:
        raise _missing_package(url, error) from error
    except ValueError as error:
        raise RecipeError(f"The address cannot be used: {redact(first_line(error))}.", advice=_EXAMPLE) from error
    return system, root.rstrip("/")


def _missing_package(url: str, error: ImportError) -> DependencyError:
    if urlsplit(url).scheme in _S3 or error.name == "fsspec":
        return DependencyError(
            "Shards in an S3-compatible storage need the packages fsspec and s3fs.",
            where=url,
            advice="Install them: pip install 'ownlm[s3]'.",
        )
    said = first_line(error)
    return DependencyError(f"This kind of address needs a package: {said}.", where=url, advice="Install it with pip.")
