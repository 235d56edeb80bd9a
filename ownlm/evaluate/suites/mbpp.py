"""MBPP (Austin et al. 2021, arXiv 2108.07732): 974 short Python tasks, each a sentence and three assertions.

Prompt: zero-shot, a docstring of the sentence and the first assertion, as in InCoder (arXiv 2204.05999) and
bigcode's harness, not the three examples of the paper: a small context has no room for them. The assertion tells
the function's name. Program: prompt + answer + setup code + all assertions.

    mbpp         tasks 11 to 510, the test split, as scores are published
    mbpp.all     all 974

Stops: InCoder's without "\\nclass": it cuts a right answer (the reference of task 342 has a class after its imports).
Also reads the layouts of the hub, of the sanitized version, and rows of `prompt`, `test`, `code`, `task_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.data import Home
from ownlm.evaluate.suites.files import FileSuite
from ownlm.evaluate.suites.rows import Row
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.evaluate.suites.trim import trim

STOPS = ("\nassert", '\n"""', "\nprint", "\nif", "\n```")
TEST_SPLIT = range(11, 511)
HOME = Home(
    title="MBPP",
    url="https://github.com/google-research/google-research (mbpp/mbpp.jsonl)",
    dataset="google-research-datasets/mbpp",
    licence="CC-BY-4.0",
    patterns=("mbpp.jsonl*", "sanitized-mbpp.json", "full/*.parquet", "mbpp_test.jsonl*"),
)


class Mbpp(FileSuite):
    """The suites `mbpp` and `mbpp.all`.

    Args:
        name: which of them.
        settings: see `FileSuite`.
        cache: see `FileSuite`.
    """

    max_tokens = 512
    home = HOME
    conventions: Mapping[str, str] = {
        "prompt": "zero-shot: a docstring of the task and its first assertion (InCoder)",
        "stops": 'assert, print, if, """ and ``` at the start of a line',
    }

    def __init__(self, name: str, settings: SuiteSettings, cache: Path | None = None) -> None:
        super().__init__(settings, cache)
        self.name = name

    def problem(self, row: Row) -> Problem | None:
        """See `FileSuite.problem`."""
        number = row.name("task_id")
        tests = row.texts("test_list", "test")
        if not number.isdecimal() or not tests:
            raise row.damaged("A task of MBPP has a number and a list of tests")
        if self.name == "mbpp" and int(number) not in TEST_SPLIT:
            return None
        setup = [*row.texts("test_imports"), *([row.text("test_setup_code")] if row.has("test_setup_code") else [])]
        return Problem(
            f"MBPP/{number}",
            "python",
            f'"""\n{row.text("text", "prompt")}\n{tests[0]}\n"""\n',
            stops=STOPS,
            reference=row.text("code").replace("\r\n", "\n"),
            fields={"setup": "\n".join(setup).replace("\r\n", "\n"), "tests": "\n".join(tests)},
        )

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`."""
        return trim(problem, answer)

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        return Source("python", f"{problem.prompt}{answer}\n{problem.fields['setup']}\n{problem.fields['tests']}\n")
