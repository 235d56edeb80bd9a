"""Solutions known to be right, laid out by the suites, pass; MultiPL-E's own tests run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ownlm.evaluate.runners.registry import runner
from ownlm.evaluate.sandbox.program import Sandbox
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.registry import open_suite
from ownlm.evaluate.suites.settings import SuiteSettings
from tests.evaluate.runners.conftest import installed
from tests.evaluate.runners.judging import ended_of, said, status_of
from tests.evaluate.runners.solutions import SOLUTIONS

BENCHMARKS = Path(__file__).parents[4] / "shared/benchmarks"
# js-md5 is a package of npm, which Debian does not have.
NO_PACKAGE = {"JavaScript/162"}
SAMPLE_OF = 40

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="no public benchmarks beside the project")


def _problems(suite: str, folder: str, language: str) -> list[Problem]:
    path = BENCHMARKS / folder
    if not path.is_dir():
        pytest.skip(f"no {folder} beside the project")
    opened = open_suite(suite, SuiteSettings(path=str(path)))
    return [problem for problem in opened.problems() if problem.language == language]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["cpp", "go", "java", "javascript", "python", "rust"])
def test_references_of_humaneval_x_pass(sandbox: Sandbox, language: str) -> None:
    """One in forty; and those that import what is not the language's own."""
    installed(language)
    suite = open_suite("humaneval_x", SuiteSettings(path=str(BENCHMARKS / "humaneval-x")))
    problems = _problems("humaneval_x", "humaneval-x", language)
    assert len(problems) == 164
    for problem in [*problems[::SAMPLE_OF], problems[162]]:
        assert problem.reference is not None
        program, ended = ended_of(sandbox, suite.source(problem, problem.reference))
        expected = "failed" if problem.id in NO_PACKAGE else "passed"
        if problem.id.endswith("/162") and runner(language).absent():
            expected = "compile_error"
        assert status_of(program, ended) == expected, f"{problem.id}: {said(ended)}"


@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(SOLUTIONS))
def test_right_answers_to_multipl_e_pass_and_wrong_ones_fail(sandbox: Sandbox, language: str) -> None:
    installed(language)
    suite = open_suite("multipl_e", SuiteSettings(path=str(BENCHMARKS / "multipl-e")))
    problems = {p.id.split("HumanEval_")[1].split("_")[0]: p for p in _problems("multipl_e", "multipl-e", language)}
    for number, right in SOLUTIONS[language].items():
        problem = problems[number]
        program, ended = ended_of(sandbox, suite.source(problem, suite.trim(problem, right)))
        assert status_of(program, ended) == "passed", f"{problem.id}: {said(ended)}"
    wrong = SOLUTIONS[language]["53"].replace("+", "-")
    program, ended = ended_of(sandbox, suite.source(problems["53"], suite.trim(problems["53"], wrong)))
    assert status_of(program, ended) == "failed", said(ended)
