"""A router that follows a folder: `ownlm serve --watch FOLDER`, without a registry.

FOLDER          is an export (or a link to one), or holds `current`:
FOLDER/current  a link to an export, or a file with its path (from FOLDER, where it is not absolute)

Point `current` elsewhere (`ln -sfn`, or a file written aside and renamed), and the new version answers once it has made
a completion; until then, and if it cannot, the one before does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ownlm.serve.call import Caller
from ownlm.serve.loading import fingerprint
from ownlm.serve.protocols.errors import not_ready
from ownlm.serve.routing import Route, no_such_model

CURRENT = "current"
INTERVAL_S = 0.25


class FolderRouter:
    """Implements `serve.routing.Router` and `Following`.

    Args:
        folder: what is watched.
        name: what clients call the model, whatever version answers; any version's name is taken as well.
        interval_s: seconds between looks.
    """

    def __init__(self, folder: Path, name: str, *, interval_s: float = INTERVAL_S) -> None:
        self._folder, self._name, self._interval_s = folder, name, interval_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._answering: tuple[str, str] | None = None
        self._ready: frozenset[str] = frozenset()
        self._newest = newest(folder)

    def route(self, caller: Caller, asked: str) -> Route:
        """See `Router.route`."""
        if self._answering is None:
            raise not_ready()
        version = self._answering[0]
        if asked not in ("", self._name, version):
            raise no_such_model(self.names(caller))
        return Route(version)

    def names(self, caller: Caller) -> Sequence[str]:
        """See `Router.names`."""
        return [self._name]

    def follow(self, changed: Callable[[], None]) -> None:
        """See `Following.follow`."""
        self._thread = threading.Thread(target=self._run, args=(changed,), name="watch", daemon=True)
        self._thread.start()

    def wanted(self) -> Mapping[str, str]:
        """See `Following.wanted`."""
        kept = [one for one in (self._newest, self._answering) if one is not None]
        if self._newest is not None and self._newest[0] in self._ready:
            kept = [self._newest]
        return dict(kept)

    def loaded(self, versions: Collection[str], refused: Mapping[str, str]) -> None:
        """See `Following.loaded`."""
        self._ready = frozenset(versions)
        if self._newest is not None and self._newest[0] in self._ready:
            self._answering = self._newest

    def health(self) -> Mapping[str, object]:
        """See `Following.health`."""
        return {"folder": str(self._folder), "newest": self._newest[0] if self._newest else ""}

    def close(self) -> None:
        """See `Following.close`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, changed: Callable[[], None]) -> None:
        while not self._stop.wait(self._interval_s):
            found = newest(self._folder)
            if found is not None and found != self._newest:
                self._newest = found
                changed()


def newest(folder: Path) -> tuple[str, str] | None:
    """Version and folder of the export to serve; None when there is none now.

    A version is called by its folder's name and what is in it: files that change in place are another version.
    """
    current = folder / CURRENT
    try:
        if current.is_file():
            target = (folder / current.read_text(encoding="utf-8").strip()).resolve()
        else:
            target = (current if current.is_dir() else folder).resolve()
    except (OSError, UnicodeDecodeError):
        return None
    files = fingerprint(target)
    if not files:
        return None
    return f"{target.name}@{hashlib.blake2b(repr(files).encode(), digest_size=4).hexdigest()}", str(target)
