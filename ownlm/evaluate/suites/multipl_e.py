"""MultiPL-E (Cassano et al. 2022, arXiv 2208.08227): HumanEval translated by small compilers into 18 more languages.

A row has its prompt, tests and stops. Program: prompt + answer + line end + tests. The stop may be the very brace
that closes the function ("\\n}"), which the tests begin with: it is never part of the answer. Where the tests do not
begin with it, the answer brings it along. The stops are the published ones, also where they are harsh: in Lua, Perl,
Ruby, Julia and D an empty line ends the answer.

Rows of the layout that carry no stops are HumanEval itself and end as it does (`python_code`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.data import Home
from ownlm.evaluate.suites.files import FileSuite
from ownlm.evaluate.suites.languages import language_key
from ownlm.evaluate.suites.python_code import STOPS, last_function, without_trailing_comments
from ownlm.evaluate.suites.rows import Row
from ownlm.evaluate.suites.trim import declaration_of, trim

HOME = Home(
    title="MultiPL-E HumanEval",
    url="https://github.com/nuprl/MultiPL-E",
    dataset="nuprl/MultiPL-E",
    licence="BSD-3-Clause, and its makers ask not to train on it",
    patterns=("humaneval-*.jsonl*", "humaneval-*/test-*.parquet"),
    # The tests of C# as they were before: lists were compared by identity, so that no answer passed.
    left_out=("humaneval-cs-bu.*", "humaneval-*-keep/*", "humaneval-*-remove/*", "humaneval-*-transform/*"),
)


class MultiplE(FileSuite):
    """The suite `multipl_e`: all languages there are, or those asked for."""

    name = "multipl_e"
    max_tokens = 1024
    home = HOME
    conventions: Mapping[str, str] = {"prompt": "as published", "stops": "as published"}

    def problem(self, row: Row) -> Problem:
        """See `FileSuite.problem`."""
        prompt, name = row.text("prompt"), row.name("name", "task_id")
        language = language_key(row.text("language") if row.has("language") else name.split("/")[0])
        stops = tuple(stop for stop in row.texts("stop_tokens") if stop)
        python = language == "python"
        if not stops and not python:
            raise row.damaged(f"A problem in {language} has no stop_tokens: its answers would never end")
        start = f"def {last_function(prompt)}(" if python else None
        return Problem(
            f"{language}/{name.split('/')[-1]}",
            language,
            prompt,
            stops=stops or STOPS,
            reference=row.text("canonical_solution") if row.has("canonical_solution") else None,
            fields={"tests": row.text("tests", "test"), "declaration": declaration_of(prompt, start)},
        )

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`."""
        if problem.language == "python":
            return trim(problem, answer, without_trailing_comments)
        return trim(problem, answer)

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        return Source(problem.language, f"{problem.prompt}{answer}\n{problem.fields['tests']}")
