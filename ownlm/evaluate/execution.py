"""Suites carried out: ask the model, cut its answers, run the test programs.

    suite.problems ─► model.answer ─► suite.trim ─► suite.source ─► judge ─► samples
                          └────────── journal ───────────┘

All answers of a suite are asked before any is judged, in chunks: what a chunk gave is kept. A test program that the
suite had before is not run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ownlm.evaluate.config import SuiteRun
from ownlm.evaluate.journal import Journal, Key
from ownlm.evaluate.models.base import Model, Request
from ownlm.evaluate.results import Sample
from ownlm.evaluate.runners.base import Source, Verdict
from ownlm.evaluate.suites.base import Problem, Suite
from ownlm.pipeline.progress import Progress, Task

CHUNK = 256
"""Answers between two saves: enough for an engine's batches to be full."""
PROGRAMS = 64
"""Programs between two saves."""
Item = TypeVar("Item")


class Judges(Protocol):
    """Who runs test programs."""

    def judge(self, sources: Sequence[Source], task: Task) -> list[Verdict]:
        """A verdict for each, in their order; `task` is advanced by one for each."""
        ...


@dataclass(frozen=True)
class Asked:
    """A suite to carry out.

    Attributes:
        suite: which.
        problems: of it, in order.
        run: how the model is asked.
    """

    suite: Suite
    problems: Sequence[Problem]
    run: SuiteRun

    @property
    def name(self) -> str:
        """The suite's."""
        return self.suite.name

    @property
    def max_tokens(self) -> int:
        """Of an answer."""
        return self.run.max_tokens or self.suite.max_tokens

    def keys(self) -> Iterator[tuple[Key, Problem]]:
        """Every answer that is asked for, in order."""
        for problem in self.problems:
            for sample in range(self.run.samples):
                yield (self.name, problem.id, sample), problem

    def request(self, key: Key, problem: Problem) -> Request:
        """What the model is asked for one answer."""
        return Request(
            prefix=problem.prompt,
            suffix=problem.suffix,
            stops=problem.stops,
            max_tokens=self.max_tokens,
            temperature=self.run.temperature,
            top_p=self.run.top_p,
            seed=seed_of(self.run.seed, key),
        )


def carry_out(asked: Asked, model: Model, judge: Judges, journal: Journal, progress: Progress) -> list[Sample]:
    """Ask and judge what the journal does not have yet; all samples of the suite, in order.

    Raises:
        EvaluationError: the model cannot be asked what the suite needs.
        SandboxError: programs cannot be contained.
        DependencyError: a language's tools are not installed.
        ServerError: the model's server does not answer.
        StorageError: the disk is full.
    """
    wanted = list(asked.keys())
    _ask(asked, wanted, model, journal, progress)
    answers = {key: asked.suite.trim(problem, journal.answers[key].text) for key, problem in wanted}
    _judge(asked, {key: asked.suite.source(problem, answers[key]) for key, problem in wanted}, judge, journal, progress)
    return [
        Sample(
            *(asked.name, problem.id, problem.language, key[2]),
            answer=answers[key],
            finish=journal.answers[key].finish,
            cut=journal.answers[key].cut,
            **vars(journal.verdicts[key]),
        )
        for key, problem in wanted
    ]


def seed_of(seed: int, key: Key) -> int:
    """The seed of one answer: depends on nothing but the suite's seed, the problem and which of its answers it is.

    31 bits: what every server takes.
    """
    digest = hashlib.sha256("\0".join(map(str, (seed, *key))).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def _ask(
    asked: Asked, wanted: Sequence[tuple[Key, Problem]], model: Model, journal: Journal, progress: Progress
) -> None:
    todo = [(key, problem) for key, problem in wanted if key not in journal.answers]
    with progress.task(f"{asked.name}: answers", len(todo), "answers") as task:
        for chunk in _chunks(todo, CHUNK):
            answers = model.answer([asked.request(key, problem) for key, problem in chunk], task)
            journal.add_answers(dict(zip((key for key, _ in chunk), answers, strict=True)))


def _judge(asked: Asked, sources: Mapping[Key, Source], judge: Judges, journal: Journal, progress: Progress) -> None:
    known = {source: journal.verdicts[key] for key, source in sources.items() if key in journal.verdicts}
    todo = {key: source for key, source in sources.items() if key not in journal.verdicts}
    new = [source for source in dict.fromkeys(todo.values()) if source not in known]
    with progress.task(f"{asked.name}: tests", len(new), "programs") as task:
        if todo and not new:
            journal.add_verdicts({key: known[source] for key, source in todo.items()})
        for chunk in _chunks(new, PROGRAMS):
            known |= dict(zip(chunk, judge.judge(chunk, task), strict=True))
            done = {key: known[source] for key, source in todo.items() if source in known}
            journal.add_verdicts({key: verdict for key, verdict in done.items() if key not in journal.verdicts})


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
