"""A suite, a model and a judge of a few lines each, for tests of what lies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ownlm.evaluate.config import SuiteRun
from ownlm.evaluate.execution import Asked
from ownlm.evaluate.models.base import Answer, Request
from ownlm.evaluate.runners.base import Source, Status, Verdict
from ownlm.evaluate.suites.base import Problem
from ownlm.pipeline.progress import Task


@dataclass
class FakeSuite:
    """Asks for the number in the prompt; the program is prompt + answer."""

    name: str = "numbers"
    count: int = 4
    languages: tuple[str, ...] = ("python",)
    max_tokens: int = 16

    @property
    def facts(self) -> Mapping[str, str]:
        return {"title": "Numbers", "sha256": "0" * 64}

    def problems(self) -> Sequence[Problem]:
        return [
            Problem(f"{language}/{index}", language, f"write {index}: ", stops=("\n",), reference=str(index))
            for language in self.languages
            for index in range(self.count)
        ]

    def trim(self, problem: Problem, answer: str) -> str:
        return answer.split("\n", 1)[0]

    def source(self, problem: Problem, answer: str) -> Source:
        return Source(problem.language, f"{problem.prompt}{answer}")


@dataclass
class FakeModel:
    """Writes what `says` makes of a request; counts what it was asked; may be killed after so many answers."""

    wrong: tuple[int, ...] = ()
    dies_after: int | None = None
    name: str = "fake"
    identity: Mapping[str, str] = field(default_factory=lambda: {"kind": "fake", "hash": "1" * 8})
    asked: list[Request] = field(default_factory=list)

    def answer(self, requests: Sequence[Request], task: Task) -> list[Answer]:
        if self.dies_after is not None and len(self.asked) + len(requests) > self.dies_after:
            raise KeyboardInterrupt
        self.asked.extend(requests)
        task.advance(len(requests))
        return [Answer(self.says(request), "stop") for request in requests]

    def says(self, request: Request) -> str:
        number = int(request.prefix.split()[1].strip(":"))
        wrong = number in self.wrong or (request.temperature > 0 and request.seed % 3 == 0)
        return f"{'?' if wrong else number}\nnot counted"

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]], task: Task) -> list[float]:
        raise NotImplementedError


@dataclass
class FakeJudge:
    """Passes a program that holds its number twice; counts what it ran; may be killed after so many programs."""

    dies_after: int | None = None
    late: str = "write 3:"
    ran: list[Source] = field(default_factory=list)

    def judge(self, sources: Sequence[Source], task: Task) -> list[Verdict]:
        if self.dies_after is not None and len(self.ran) + len(sources) > self.dies_after:
            raise KeyboardInterrupt
        self.ran.extend(sources)
        task.advance(len(sources))
        return [self.verdict(source) for source in sources]

    def verdict(self, source: Source) -> Verdict:
        asked, said = source.text.removeprefix("write ").split(": ")
        status: Status = "passed" if asked == said else "timed_out" if source.text.startswith(self.late) else "failed"
        return Verdict(status, "" if asked == said else f"{said} is not {asked}", 0.25, retried=status == "timed_out")


def asked(suite: FakeSuite | None = None, **run: object) -> Asked:
    suite = suite or FakeSuite()
    return Asked(suite, suite.problems(), SuiteRun.model_validate(run))
