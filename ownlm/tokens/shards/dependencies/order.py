"""The order of a repository's files: each after the files it imports.

Files are visited by path, a README of the root first, and before a file is written the files it imports are, depth
first: so a file mostly stands right behind what it needs, within reach of a context (Kahn's algorithm with the same
tie-break would write all files without imports first). Of a cycle, the import that would close it is passed over; every
other one is in order. DeepSeek-Coder (Guo et al. 2024, arXiv 2401.14196, algorithm 1) takes the file of least remaining
in-degree, which beside a cycle may come before a file that it imports; StarCoder2 (Lozhkov et al. 2024, arXiv
2402.19173) has the files of a repository in random order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from ownlm.tokens.shards.dependencies import c, go, javascript, jvm, php, python, ruby, rust
from ownlm.tokens.shards.dependencies.files import Files


class Family(Protocol):
    """A family of languages: one module of this folder."""

    @property
    def LANGUAGES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """Linguist's names of its languages."""
        ...

    def references(self, text: str) -> list[str]:
        """What a file says it imports, in the language's terms."""
        ...

    def resolve(self, path: str, reference: str, files: Files) -> Sequence[str]:
        """The files of the repository that `path` means by a reference; never itself."""
        ...


_FAMILIES: tuple[Family, ...] = (c, go, javascript, jvm, php, python, ruby, rust)
_BY_LANGUAGE = {language: family for family in _FAMILIES for language in family.LANGUAGES}


def references(language: str, text: str) -> list[str]:
    """What a file says it imports, in its language's terms, each once; none for languages without a family."""
    family = _BY_LANGUAGE.get(language)
    return [] if family is None else list(dict.fromkeys(family.references(text)))


def imports(repository: str, files: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, list[str]]:
    """For each file that imports some, the files of the repository it imports, sorted, itself left out.

    Args:
        repository: its name.
        files: path -> (language, `references` of its text).
    """
    known = Files(repository, files)
    for path, (language, found) in files.items():
        if language in go.LANGUAGES:
            go.declare(path, found, known)
    edges = {}
    for path, (language, found) in files.items():
        if found and (family := _BY_LANGUAGE.get(language)) is not None:
            targets = {target for reference in found for target in family.resolve(path, reference, known)}
            if targets := targets - {path}:
                edges[path] = sorted(targets)
    return edges


def dependency_order(paths: Iterable[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """The paths, each once, after those it imports; see the head of this file."""
    done: dict[str, None] = {}
    open_: set[str] = set()
    for start in sorted(paths, key=lambda path: (not _introduces(path), path)):
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(edges.get(start, ())))]
        while stack:
            path, rest = stack[-1]
            if path in done:
                stack.pop()
                continue
            open_.add(path)
            following = next((target for target in rest if target not in done and target not in open_), None)
            if following is None:
                done[path] = None
                open_.discard(path)
                stack.pop()
            else:
                stack.append((following, iter(edges.get(following, ()))))
    return list(done)


def _introduces(path: str) -> bool:
    """Whether it is a README of the root."""
    return "/" not in path and path.upper().startswith("README")
