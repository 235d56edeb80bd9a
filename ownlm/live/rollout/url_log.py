"""Revisions as objects of a storage; see `log`. A name that is taken is refused by it: puts are conditional."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ownlm.errors import DependencyError, ServerError, first_line
from ownlm.live.rollout.log import KEY_FILE, file_name, highest, taken
from ownlm.pipeline.tracking.redact import redact
from ownlm.tokens.shards.storage import checked_url

_T = TypeVar("_T")


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
