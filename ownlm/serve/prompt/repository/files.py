"""The files of a repository that may declare something: what git would track, in a language with declarations.

Left out: what git would ignore, links (none is followed, so nothing outside of the folder is read), version control and
package folders, files that are large, binary or not UTF-8.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ownlm.serve.prompt.repository.declarations import LANGUAGES

MAX_BYTES = 512_000
_NEVER = frozenset({".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", "venv"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file.

    Attributes:
        path: below the repository's folder, with slashes.
        language: GitHub Linguist's name.
        stamp: size, time of change, inode: other ones mean another content.
    """

    path: str
    language: str
    stamp: tuple[int, int, int]


def files_of(folder: Path) -> Iterator[Found]:
    """All files, in no order. What cannot be read is passed over."""
    from ownlm.data.lake.language import language_of_path
    from ownlm.data.sources.gitignore import rules_above

    waiting = [(folder, rules_above(folder).entering(folder))]
    while waiting:
        current, rules = waiting.pop()
        for entry in _entries(current):
            try:
                known = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            path = Path(entry.path)
            if stat.S_ISDIR(known.st_mode):
                if entry.name not in _NEVER and not rules.ignores(path, is_folder=True):
                    waiting.append((path, rules.entering(path)))
                continue
            language = language_of_path(entry.name)
            if not stat.S_ISREG(known.st_mode) or known.st_size > MAX_BYTES or language not in LANGUAGES:
                continue
            if not rules.ignores(path, is_folder=False):
                stamp = (known.st_size, known.st_mtime_ns, known.st_ino)
                yield Found(path.relative_to(folder).as_posix(), language, stamp)


def read(folder: Path, file: Found) -> bytes:
    """A file's content; b"" when it is gone, was made a link or a folder, is too large, binary or not UTF-8."""
    path = folder / file.path
    try:
        if not path.resolve().is_relative_to(folder):  # a folder above was made a link since
            return b""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            data = opened.read(MAX_BYTES + 1)
        data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return b""
    return b"" if len(data) > MAX_BYTES or b"\0" in data else data


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
