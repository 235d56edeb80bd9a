"""The files of one repository, found by what imports say of them: a whole path, the end of one, or a folder."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile
from posixpath import dirname, normpath

_MOST = 256
"""Files of like endings that are looked at: what is more common than that says too little."""


class Files:
    """The paths of a repository.

    Args:
        repository: its name.
        paths: its files.

    Attributes:
        folders: the files of each folder, sorted; the root is "".
        names: every part of every path, without endings: what is not among them is from outside.
        modules: Go: the folder of each go.mod -> the path of its module.
    """

    def __init__(self, repository: str, paths: Iterable[str]) -> None:
        self.repository = repository
        self._paths = frozenset(paths)
        self.folders: dict[str, list[str]] = {}
        for path in sorted(self._paths):
            self.folders.setdefault(dirname(path), []).append(path)
        self.names = {part.partition(".")[0] or part for path in self._paths for part in path.split("/")}
        self.modules: dict[str, str] = {}
        self._backwards = sorted(map(_backwards, self._paths))
        self._folders_backwards = sorted(map(_backwards, self.folders))

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def first(self, candidates: Iterable[str]) -> str | None:
        """The first of these paths that is there."""
        return next((path for path in candidates if path in self._paths), None)

    def beside(self, path: str, reference: str) -> str | None:
        """The file that a relative reference in `path` means."""
        found = joined(path, reference)
        return None if found is None else self.first([found])

    def ending(self, tail: str) -> list[str]:
        """The files whose path is `tail` or ends in its parts: "b/c.h" finds "a/b/c.h", not "a/bb/c.h"."""
        return _ending(self._backwards, tail)

    def nearest(self, tail: str, path: str) -> str | None:
        """Of the files that end in `tail`, the one that shares most folders with `path`; then the first by name."""
        return nearest(self.ending(tail), path)

    def folder(self, tail: str, path: str) -> str | None:
        """Of the folders that end in `tail`, the one nearest to `path`."""
        return nearest(_ending(self._folders_backwards, tail), path)


def nearest(candidates: Sequence[str], path: str) -> str | None:
    """The candidate that shares most leading folders with `path`; of several, the first by name."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    folders = path.split("/")[:-1]

    def shared(candidate: str) -> int:
        pairs = zip(folders, candidate.split("/")[:-1], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    return min(candidates, key=lambda candidate: (-shared(candidate), candidate))


def joined(path: str, reference: str) -> str | None:
    """What a relative reference in `path` means; None where it leaves the repository."""
    found = normpath(f"{dirname(path)}/{reference}" if "/" in path else reference)
    return None if found.startswith("..") or found.startswith("/") else found


def _ending(backwards: list[str], tail: str) -> list[str]:
    key = _backwards(tail)
    found = islice(backwards, bisect_left(backwards, key), None)
    matches = []
    for path in islice(found, _MOST):
        if not path.startswith(key):
            break
        matches.append(_backwards(path[:-1])[:-1])
    return matches


def _backwards(path: str) -> str:
    """The parts in reverse, each closed: "a/b.c" -> "b.c/a/": files of like endings are neighbours when sorted."""
    return "".join(f"{part}/" for part in reversed(path.split("/")))
