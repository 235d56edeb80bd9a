"""HumanEval infilling: holes in the reference solutions of HumanEval, to be filled so that the tests pass.

    single_line         1033 lines      Fried et al. 2022 (InCoder, arXiv 2204.05999)
    multi_line          5815 runs of lines
    random_span         1640 runs of characters, Bavarian et al. 2022 (arXiv 2207.14255)
    random_span_light    164 of these

Program: prompt + answer + suffix + test + check(entry point), as in openai/human-eval-infilling (which, as it is
shipped, runs nothing and lets everything pass). A single line ends at its line end, which is no part of the answer:
the program has it again. The other holes end where the model says so, which is what they measure: no stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.data import Home
from ownlm.evaluate.suites.files import FileSuite
from ownlm.evaluate.suites.humaneval import check
from ownlm.evaluate.suites.rows import Row
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.evaluate.suites.trim import declaration_of, trim


@dataclass(frozen=True)
class Kind:
    """One of the four.

    Attributes:
        task: first part of its task ids, and what its file is called after.
        max_tokens: the longest reference has 141, 859, 620 and 417 characters.
        line: whether the hole is one line.
    """

    task: str
    max_tokens: int
    line: bool = False


KINDS = {
    "single_line": Kind("SingleLineInfilling", 128, line=True),
    "multi_line": Kind("MultiLineInfilling", 512),
    "random_span": Kind("RandomSpanInfilling", 512),
    "random_span_light": Kind("RandomSpanInfillingLight", 512),
}


class Infilling(FileSuite):
    """The suites `humaneval_infilling.KIND`.

    Args:
        kind: a key of `KINDS`.
        settings: see `FileSuite`.
        cache: see `FileSuite`.
    """

    def __init__(self, kind: str, settings: SuiteSettings, cache: Path | None = None) -> None:
        super().__init__(settings, cache)
        self._kind = KINDS[kind]
        self.name = f"humaneval_infilling.{kind}"
        self.max_tokens = self._kind.max_tokens
        file = f"HumanEval-{self._kind.task}"
        self.home = Home(
            title=f"HumanEval infilling, {kind.replace('_', ' ')}",
            url=f"https://github.com/openai/human-eval-infilling (data/{file}.jsonl.gz)",
            dataset="loubnabnl/humaneval_infilling",
            licence="MIT",
            patterns=(f"{file}.jsonl*", f"{file}/*.parquet"),
        )
        end = "the line end" if self._kind.line else "the model's own end of the middle"
        self.conventions = {"prompt": "as published", "stops": end}

    def problem(self, row: Row) -> Problem | None:
        """See `FileSuite.problem`: rows of another kind are none of this one's."""
        prompt, entry_point, middle = row.text("prompt"), row.text("entry_point"), row.text("canonical_solution")
        name = row.name("task_id")
        if name.split("/")[0] != self._kind.task:
            return None
        return Problem(
            name,
            "python",
            prompt,
            suffix=row.text("suffix"),
            stops=("\n",) if self._kind.line else (),
            reference=middle.removesuffix("\n") if self._kind.line else middle,
            fields={
                "test": row.text("test"),
                "entry_point": entry_point,
                "declaration": declaration_of(prompt, f"def {entry_point}("),
            },
        )

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`: an answer that gives the whole text again is reduced to its middle."""
        while True:
            shorter = trim(problem, _middle(problem, answer))
            if shorter == answer:
                return answer
            answer = shorter

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        end = "\n" if self._kind.line else ""
        return Source("python", f"{problem.prompt}{answer}{end}{problem.suffix}{check(problem)}")


def _middle(problem: Problem, answer: str) -> str:
    """The middle of an answer that has the prompt before it and the suffix after it.

    Only with a suffix of two lines or more: the middle itself may end with a text as short as ")".
    """
    suffix = (problem.suffix or "").rstrip()
    whole = answer.rstrip()
    certain = bool(problem.prompt.strip()) and "\n" in suffix.strip()
    if certain and whole.startswith(problem.prompt) and whole[len(problem.prompt) :].endswith(suffix):
        return whole[len(problem.prompt) : len(whole) - len(suffix)]
    return answer
