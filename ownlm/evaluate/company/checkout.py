"""A local checkout: its files, the functions that may be hidden in them, and the hash of it all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ownlm.errors import EvaluationError
from ownlm.evaluate.company.config import Repository, RepositoryTests
from ownlm.recipe.base import local_path

LARGEST = 256 << 20
"""Bytes of a checkout: all of it is copied into the sandbox for every run."""
LEFT_OUT = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules", ".tox", ".mypy_cache"})
SUFFIXES = {
    "C": (".c",), "C#": (".cs",), "C++": (".cc", ".cpp", ".cxx", ".hpp"), "Go": (".go",), "Java": (".java",),
    "JavaScript": (".js", ".mjs", ".cjs"), "Kotlin": (".kt",), "Lua": (".lua",), "PHP": (".php",),
    "Perl": (".pl", ".pm"), "Python": (".py",), "Ruby": (".rb",), "Rust": (".rs",), "Scala": (".scala",),
    "Shell": (".sh", ".bash"), "Swift": (".swift",), "TSX": (".tsx",), "TypeScript": (".ts",),
}  # fmt: skip
_TESTS = re.compile(r"(^|[/_.-])(tests?|testing|specs?|conftest)([/_.-]|$)", re.IGNORECASE)


def folder_of(name: str, repository: Repository) -> Path:
    """Where a repository is.

    Raises:
        EvaluationError: there is no such folder.
    """
    folder = local_path(repository.path or name)
    if not folder.is_dir():
        raise EvaluationError(
            f"There is no checkout of {name!r}.", where=folder, advice="Give its folder: {path: ..., command: [...]}."
        )
    return folder


def read_checkout(folder: Path) -> dict[str, bytes]:
    """Every regular file by its path, paths ascending; version control and caches are left out.

    Raises:
        EvaluationError: it is too large, or cannot be read.
    """
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(_regular(folder)):
        size += path.stat().st_size
        if size > LARGEST:
            raise EvaluationError(
                f"A checkout of more than {LARGEST >> 20} MiB is too large to be copied for every run.", where=folder
            )
        try:
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
        except OSError as error:
            raise EvaluationError(f"A file of the checkout cannot be read: {error.strerror}.", where=path) from error
    return files


def sources_of(files: Mapping[str, bytes], language: str) -> Iterator[tuple[str, str]]:
    """Path and text of the files of a language that are no tests."""
    for path, data in files.items():
        if path.endswith(SUFFIXES[language]) and not _TESTS.search(path):
            try:
                yield path, data.decode("utf-8")
            except UnicodeDecodeError:
                continue


def checkouts_fingerprint(settings: RepositoryTests, cache: Path | None) -> str:
    """The hash of all files of all checkouts: what the result depends on beside the settings."""
    digest = hashlib.sha256()
    for name, repository in sorted(settings.repositories.items()):
        digest.update(f"{name}\0".encode())
        for path, data in read_checkout(folder_of(name, repository)).items():
            digest.update(f"{path}\0{hashlib.sha256(data).hexdigest()}\0".encode())
    return digest.hexdigest()


def _regular(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not LEFT_OUT.intersection(path.relative_to(folder).parts) and path.is_file() and not path.is_symlink():
            yield path
