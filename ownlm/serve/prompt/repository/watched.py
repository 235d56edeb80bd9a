"""Repositories whose indexes are kept fresh in a thread of their own.

    folder ─► files changed since the last look ─► declarations ─► a new index, put in place at once
                  (size, time, inode)                 (tree-sitter)

A look at all files is a second or less for thousands of them; only changed ones are read. The thread yields after every
file, so that completions do not wait for it. Everything is in memory, and made anew when the gateway starts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ownlm.errors import InputError
from ownlm.recipe.base import local_path
from ownlm.serve.call import CodeContext
from ownlm.serve.prompt.repository.config import RepositoryConfig
from ownlm.serve.prompt.repository.declarations import Declaration, declarations_in
from ownlm.serve.prompt.repository.files import Found, files_of, read
from ownlm.serve.prompt.repository.index import Index, Placed
from ownlm.serve.prompt.repository.names import repository_name
from ownlm.serve.prompt.repository.nearby import as_snippets, question

SECONDS = 10.0
"""Between two looks at a folder."""

SMALL = 20
"""Changed files that never make the index anew."""

COUNT = 12
"""Declarations shown with a completion, at most."""


@dataclass(frozen=True)
class _Indexes:
    """A large index, a small one of files that changed since, and the paths the large one is wrong about."""

    base: Index
    recent: Index
    hidden: frozenset[str]


class Repository:
    """One repository.

    Args:
        config: where it is, and what clients call it.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, config: RepositoryConfig) -> None:
        self.folder = Path(local_path(config.path)).resolve()
        if not self.folder.is_dir():
            raise InputError(
                "this repository is not a folder", where=config.path, advice="correct serve.repositories in the recipe"
            )
        self.name = repository_name(config.url)
        self._indexes = _Indexes(Index({}), Index({}), frozenset())
        self._files: dict[str, tuple[Found, list[Declaration]]] = {}

    def refresh(self) -> int:
        """Look at the folder; read what is new or changed.

        Returns:
            How many files were read or are gone.
        """
        files: dict[str, tuple[Found, list[Declaration]]] = {}
        read_now = 0
        for found in files_of(self.folder):
            known = self._files.get(found.path)
            if known is None or known[0] != found:
                known = (found, self._declared(found))
                read_now += 1
                time.sleep(0)  # whoever waits for the interpreter goes first
            files[found.path] = known
        changed = read_now + len(self._files.keys() - files.keys())
        if changed:
            self._put(files)
        return changed

    def _put(self, files: dict[str, tuple[Found, list[Declaration]]]) -> None:
        """A few changed files are an index of their own beside the large one; many make that one anew."""
        changed = {path for path, known in files.items() if self._files.get(path) is not known}
        base = self._indexes.base
        hidden = self._indexes.hidden | changed | (self._files.keys() - files.keys())
        self._files = files
        if len(hidden) > max(SMALL, len(files) // 20):
            base = Index({path: declared for path, (_, declared) in files.items()})
            self._indexes = _Indexes(base, Index({}), frozenset())
        else:
            recent = {path: files[path][1] for path in hidden if path in files}
            self._indexes = _Indexes(base, Index(recent, like=base), frozenset(hidden))

    def best(self, context: CodeContext) -> list[tuple[Placed, float]]:
        """The declarations of other files that fit a cursor best, the best first."""
        query, own, indexes = question(context), self.path_of(context.path), self._indexes
        found = indexes.base.best(query, COUNT, without={own, *indexes.hidden})
        found += indexes.recent.best(query, COUNT, without={own})
        return sorted(found, key=lambda one: (-one[1], one[0].path, one[0].number))[:COUNT]

    def has(self, client_path: str) -> bool:
        """Is a client's file one of this repository?"""
        return self.path_of(client_path) in self._files

    def _declared(self, found: Found) -> list[Declaration]:
        with suppress(ImportError):  # this language's grammar is not installed
            return declarations_in(read(self.folder, found), found.language)
        return []

    def path_of(self, client_path: str) -> str:
        """A client's path as the index has it: below the folder, with slashes."""
        path = client_path.replace("\\", "/").removeprefix("file://")
        return path.removeprefix(f"{self.folder.as_posix()}/").removeprefix("./")

    def shown(self, context: CodeContext) -> CodeContext:
        """The context with the declarations that fit it best."""
        found, files = self.best(context), self._files
        languages = {path: files[path][0].language for path in {placed.path for placed, _ in found} if path in files}
        return replace(context, snippets=context.snippets + as_snippets(found, languages))


class Repositories:
    """All repositories of a gateway.

    Args:
        configs: where they are.

    Raises:
        InputError: a folder is not there.
    """

    def __init__(self, configs: Sequence[RepositoryConfig] = ()) -> None:
        self.all = [Repository(config) for config in configs]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="repositories", daemon=True)

    def start(self) -> None:
        """Index in a thread, now and whenever files change. Until it is done nothing is found."""
        if self.all:
            self._thread.start()

    def close(self) -> None:
        """Stop looking. A look under way is given up with the process."""
        self._stop.set()

    def of(self, context: CodeContext) -> Repository | None:
        """The repository a call works in: the one it names, or, when it names none, one that has its file."""
        name = repository_name(context.repository)
        if name:
            return next((one for one in self.all if one.name == name), None)
        has = [one for one in self.all if one.has(context.path)]
        nameless = [one for one in self.all if not one.name]
        return next(iter(has or nameless), None)

    def shown(self, context: CodeContext) -> CodeContext:
        """The context with declarations of its repository, if that is one of these."""
        repository = self.of(context)
        return context if repository is None else repository.shown(context)

    def _watch(self) -> None:
        while not self._stop.is_set():
            for repository in self.all:
                with suppress(OSError):  # the folder is gone for now; the next look finds it again
                    repository.refresh()
            self._stop.wait(SECONDS)
