"""What a benchmark gives: problems, and for an answer to one the program that judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ownlm.evaluate.runners.base import Source


@dataclass(frozen=True)
class Problem:
    """One question.

    Attributes:
        id: unique in its suite, as the benchmark calls it.
        language: a runner's key; results are reported by it.
        prompt: text before the cursor.
        suffix: text after the cursor; None where the model only continues.
        stops: an answer ends before the first of these; "" is never one.
        reference: an answer known to be right; None where the benchmark has none.
        fields: what else the suite needs to judge (tests, entry point).
    """

    id: str
    language: str
    prompt: str
    suffix: str | None = None
    stops: tuple[str, ...] = ()
    reference: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


class Suite(Protocol):
    """A benchmark whose answers are run. Suites whose answers are compared have scores of their own.

    Attributes:
        name: "humaneval", "multipl_e", "humaneval_infilling.single_line"; as `--suite` and results.json say it.
        max_tokens: an answer's length unless the recipe says another.
        facts: recorded with the scores: where the data is, its sha256, and the conventions followed (prompt, stops).
            Reads the data, as `problems` does.
    """

    name: str
    max_tokens: int

    @property
    def facts(self) -> Mapping[str, str]: ...  # noqa: D102

    def problems(self) -> Sequence[Problem]:
        """All of them, in the benchmark's order.

        Raises:
            EvaluationError: the data is not there (says how to get it) or is damaged.
        """
        ...

    def trim(self, problem: Problem, answer: str) -> str:
        """The part of what a model wrote that counts: cut before the first stop, by the benchmark's own convention."""
        ...

    def source(self, problem: Problem, answer: str) -> Source:
        """The test program of a trimmed answer."""
        ...
