"""HumanEval (Chen et al. 2021, arXiv 2107.03374): 164 Python functions, written from their docstrings.

Program: prompt + answer + test + check(entry point), as in openai/human-eval. The prompt keeps the line end it was
published with. Stops: `python_code`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.data import Home
from ownlm.evaluate.suites.files import FileSuite
from ownlm.evaluate.suites.python_code import CONVENTION, STOPS, without_trailing_comments
from ownlm.evaluate.suites.rows import Row
from ownlm.evaluate.suites.trim import declaration_of, trim

HOME = Home(
    title="HumanEval",
    url="https://github.com/openai/human-eval (data/HumanEval.jsonl.gz)",
    dataset="openai/openai_humaneval",
    licence="MIT",
    patterns=("HumanEval.jsonl*", "openai_humaneval/test-*.parquet", "test-*.parquet"),
    package=("human_eval", "data/HumanEval.jsonl.gz"),
)


class HumanEval(FileSuite):
    """The suite `humaneval`."""

    name = "humaneval"
    max_tokens = 512
    home = HOME
    conventions: Mapping[str, str] = {"prompt": "as published", "stops": CONVENTION}

    def problem(self, row: Row) -> Problem:
        """See `FileSuite.problem`."""
        prompt, entry_point = row.text("prompt"), row.text("entry_point")
        return Problem(
            row.name("task_id"),
            "python",
            prompt,
            stops=STOPS,
            reference=row.text("canonical_solution"),
            fields={
                "test": row.text("test"),
                "entry_point": entry_point,
                "declaration": declaration_of(prompt, f"def {entry_point}("),
            },
        )

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`."""
        return trim(problem, answer, without_trailing_comments)

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        return Source("python", problem.prompt + answer + check(problem))


def check(problem: Problem) -> str:
    """The tests of a problem of HumanEval or of its infilling kin, called."""
    return f"\n{problem.fields['test']}\ncheck({problem.fields['entry_point']})\n"
