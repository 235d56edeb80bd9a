"""A model measured by suites whose answers are run: what the stage and `ownlm eval` have in common.

`prepare` sees to everything that can fail before a model is asked: data, tools of every language, containment.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ownlm import __version__
from ownlm.errors import EvaluationError
from ownlm.evaluate.config import SuiteRun
from ownlm.evaluate.execution import Asked, Judges, carry_out
from ownlm.evaluate.journal import Journal
from ownlm.evaluate.judge import Judge
from ownlm.evaluate.likelihood import grade, questions_of, texts_of
from ownlm.evaluate.likelihood_settings import LikelihoodSettings
from ownlm.evaluate.models.base import Model
from ownlm.evaluate.results import Sample
from ownlm.evaluate.runners.registry import versions
from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.registry import open_suite
from ownlm.evaluate.summary import summarize
from ownlm.pipeline.progress import Progress


@dataclass(frozen=True)
class Prepared:
    """Everything an evaluation needs beside the model.

    Attributes:
        suites: to carry out, their data read.
        judge: runs test programs.
        environment: recorded with the scores: versions, tools by language, containment.
    """

    suites: Sequence[Asked]
    judge: Judges
    environment: Mapping[str, Any]

    @property
    def problems(self) -> dict[tuple[str, str], Problem]:
        """Every problem by suite and id."""
        return {(asked.name, problem.id): problem for asked in self.suites for problem in asked.problems}

    def identity(self, model: Model) -> dict[str, Any]:
        """Everything the answers and verdicts depend on."""
        return {
            "model": {"name": model.name, **model.identity},
            "suites": {
                asked.name: {"facts": dict(asked.suite.facts), "settings": asked.run.model_dump(mode="json")}
                for asked in self.suites
            },
            "environment": self.environment,
        }


def prepare(suites: Mapping[str, SuiteRun], *, unsafe: bool, workers: int, cache: Path | None) -> Prepared:
    """Read the data, look for the tools of every language, open the sandbox.

    Args:
        suites: by name.
        unsafe: run answers also where they cannot be contained.
        workers: programs at a time.
        cache: keeps what a hub gives.

    Raises:
        EvaluationError: data is missing or damaged, a suite unknown.
        DependencyError: a language's tools are not installed.
        SandboxError: programs cannot be contained.
    """
    asked = []
    for name, run in suites.items():
        suite = open_suite(name, run, cache)
        problems = suite.problems()
        if not problems:
            raise EvaluationError(f"The suite {name} has no problem to ask.", advice="Check its languages and limit.")
        asked.append(Asked(suite, problems, run))
    tools = versions({problem.language for one in asked for problem in one.problems})
    sandbox = open_sandbox(unsafe)
    environment = {
        "ownlm": __version__,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "sandbox": sandbox.describe(),
        "tools": tools,
    }
    return Prepared(asked, Judge(sandbox, workers), environment)


def curve_steps(suites: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """pass@k as trackers draw it: k is the step, a line a suite."""
    steps: dict[int, dict[str, float]] = {}
    for name, suite in suites.items():
        for k, found in suite["pass_at_k"].items():
            steps.setdefault(int(k), {})[f"{name}.pass_at_k"] = found["value"]
    return dict(sorted(steps.items()))


def graded(
    prepared: Prepared, model: Model, settings: LikelihoodSettings, progress: Progress, *, must: bool
) -> dict[str, Any]:
    """The suites whose problems have references, graded by likelihood: name -> figures.

    Args:
        prepared: the suites.
        model: who is asked.
        settings: of the wrong answers.
        progress: where the work is shown.
        must: a model that tells no probabilities is an error; else it is passed over.

    Raises:
        EvaluationError: see `must`.
    """
    found: dict[str, Any] = {}
    for asked in prepared.suites:
        texts = texts_of(questions_of(asked.problems, settings))
        if not texts:
            continue
        with progress.task(f"{asked.name}: likelihood", len(texts), "texts") as task:
            try:
                found[asked.name] = grade(asked.suite, model, settings, task).to_json()
            except EvaluationError as error:
                if must:
                    raise
                task.say(f"{asked.name} is not graded by likelihood: {error.what}")
    return found


def measure(prepared: Prepared, model: Model, scratch: Path, progress: Progress) -> tuple[dict[str, Any], list[Sample]]:
    """Carry all suites out, going on with what `scratch` holds.

    Args:
        prepared: what to do.
        model: who is asked.
        scratch: a folder that survives a kill.
        progress: where the work is shown.

    Returns:
        The summary: `measured` (the model), `suites`, `environment`; and all samples in order.

    Raises:
        EvaluationError: the model cannot be asked what a suite needs; the folder holds another evaluation.
        ServerError: the model's server does not answer.
        StorageError: the disk is full.
    """
    journal = Journal(scratch, prepared.identity(model))
    samples: list[Sample] = []
    figures: dict[str, Any] = {}
    for asked in prepared.suites:
        found = carry_out(asked, model, prepared.judge, journal, progress)
        figures[asked.name] = summarize(asked, found)
        samples += found
    summary = {
        "measured": {"name": model.name, "identity": dict(model.identity)},
        "suites": figures,
        "environment": dict(prepared.environment),
    }
    return summary, samples
