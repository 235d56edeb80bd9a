"""What the suites read from files have in common: problems are made once, filtered, and told where they are from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path

from ownlm.errors import EvaluationError
from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.data import Data, Home, find_data
from ownlm.evaluate.suites.languages import language_key
from ownlm.evaluate.suites.rows import Row, rows_of
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.evaluate.suites.trim import trim


class FileSuite:
    """A suite of rows: a subclass makes problems of rows and programs of answers. See `Suite`.

    Args:
        settings: where the data is and what of it is asked.
        cache: keeps what the hub gives; the user's cache folder when None.
    """

    name: str
    max_tokens: int
    home: Home
    conventions: Mapping[str, str]

    def __init__(self, settings: SuiteSettings, cache: Path | None = None) -> None:
        self._settings, self._cache = settings, cache

    def problem(self, row: Row) -> Problem | None:
        """The problem of a row; None for a row of another benchmark that shares the file."""
        raise NotImplementedError

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        raise NotImplementedError

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`."""
        return trim(problem, answer)

    def problems(self) -> Sequence[Problem]:
        """See `Suite.problems`."""
        return self._problems

    @property
    def facts(self) -> Mapping[str, str]:
        """See `Suite.facts`."""
        data, problems = self._data, self._problems
        return {
            "title": self.home.title,
            "licence": self.home.licence,
            "data": data.where,
            "sha256": data.sha256,
            "problems": str(len(problems)),
            **self.conventions,
        }

    @cached_property
    def _data(self) -> Data:
        return find_data(self.home, self._settings, self._cache)

    @cached_property
    def _problems(self) -> tuple[Problem, ...]:
        settings, taken = self._settings, Counter[str]()
        asked = None if settings.languages is None else {language_key(one) for one in settings.languages}
        every = self._every()
        self._check(asked, {problem.language for problem in every})
        found = []
        for problem in every:
            if asked is None or problem.language in asked:
                taken[problem.language] += 1
                if settings.limit is None or taken[problem.language] <= settings.limit:
                    found.append(problem)
        return tuple(found)

    def _every(self) -> list[Problem]:
        found: dict[str, Problem] = {}
        for row in rows_of(self._data.files):
            problem = self.problem(row)
            if problem is None:
                continue
            if problem.id in found:
                raise row.damaged(f"The problem {problem.id} is there twice")
            found[problem.id] = problem
        return list(found.values())

    def _check(self, asked: Set[str] | None, there: Set[str]) -> None:
        if not there:
            raise EvaluationError(
                f"There is no problem of {self.home.title}.",
                where=self._data.where,
                advice=f"Is it the right file? Get it from {self.home.url}.",
            )
        missing = sorted((asked or set()) - there)
        if missing:
            raise EvaluationError(
                f"{self.home.title} has no problem in {', '.join(missing)}.",
                where=self._data.where,
                advice=f"Ask for some of {', '.join(sorted(there))}.",
            )
