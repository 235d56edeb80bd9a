"""All languages, by key or by any name benchmarks give them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from ownlm.errors import DependencyError, EvaluationError
from ownlm.evaluate.runners.bash import Bash
from ownlm.evaluate.runners.c import C
from ownlm.evaluate.runners.cpp import Cpp
from ownlm.evaluate.runners.csharp import CSharp
from ownlm.evaluate.runners.d import D
from ownlm.evaluate.runners.go import Go
from ownlm.evaluate.runners.java import Java
from ownlm.evaluate.runners.javascript import JavaScript
from ownlm.evaluate.runners.language import Language
from ownlm.evaluate.runners.lua import Lua
from ownlm.evaluate.runners.perl import Perl
from ownlm.evaluate.runners.php import Php
from ownlm.evaluate.runners.python import Python
from ownlm.evaluate.runners.r import R
from ownlm.evaluate.runners.ruby import Ruby
from ownlm.evaluate.runners.rust import Rust
from ownlm.evaluate.runners.scala import Scala
from ownlm.evaluate.runners.typescript import TypeScript

_ALL: tuple[Language, ...] = (
    Bash(), C(), Cpp(), CSharp(), D(), Go(), Java(), JavaScript(), Lua(), Perl(), Php(), Python(), R(), Ruby(), Rust(),
    Scala(), TypeScript(),
)  # fmt: skip


def runners() -> list[Language]:
    """All languages, by key."""
    return list(_ALL)


@cache
def _by_name() -> dict[str, Language]:
    return {name: one for one in _ALL for name in (one.language, *one.names)}


def runner(language: str) -> Language:
    """The language of that key or name.

    Raises:
        EvaluationError: there is none.
    """
    found = _by_name().get(language.strip().lower())
    if found is None:
        known = ", ".join(one.language for one in _ALL)
        raise EvaluationError(f"Programs in {language!r} cannot be run.", advice=f"Languages: {known}.")
    return found


def versions(languages: Iterable[str]) -> dict[str, str]:
    """Key -> version of the tools that run it, for the record beside a score.

    Raises:
        DependencyError: a toolchain is missing; says which and the packages of all that are.
        EvaluationError: a language is unknown.
    """
    asked = sorted({runner(language).language for language in languages})
    with ThreadPoolExecutor() as threads:
        told = dict(zip(asked, threads.map(lambda language: runner(language).version(), asked), strict=True))
    missing = [language for language, version in told.items() if version is None]
    if missing:
        packages = sorted({package for language in missing for package in runner(language).packages})
        raise DependencyError(
            f"The tools of {', '.join(missing)} are not all installed.",
            advice=f"apt-get install --no-install-recommends {' '.join(packages)}",
        )
    return {language: version for language, version in told.items() if version is not None}
