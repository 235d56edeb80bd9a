"""What an evaluation leaves behind, and reading it again.

    results.json       the summary: figures by suite, language and problem, settings, seed, model, environment
    samples.jsonl      a line an answer: {suite, problem, language, sample, answer, finish, cut, status}
    log/runs.jsonl     the same lines' {suite, problem, sample, output, cpu_seconds, retried}: what clocks and addresses
                       of a machine may change
    report/            pages

The same model, suites, settings and seed on the same machine give the same bytes in the first two. `log` and `report`
are what an artifact's hash leaves out (`ownlm.pipeline.artifact`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ownlm.errors import EvaluationError, StorageError
from ownlm.evaluate.runners.base import Status

RESULTS, SAMPLES, RUNS = "results.json", "samples.jsonl", "log/runs.jsonl"
_OF_THE_MACHINE = ("output", "cpu_seconds", "retried")
_NAMES = ("suite", "problem", "sample")


@dataclass(frozen=True)
class Sample:
    """One answer and what came of it.

    Attributes:
        suite: asked.
        problem: of the suite.
        language: of the problem.
        sample: which of the answers to this problem, from 0.
        answer: the part that counts.
        finish: why the model ended.
        cut: the prompt did not fit into the model's context.
        status: see `Verdict`.
        output: of the test program, its end.
        cpu_seconds: of the test program.
        retried: it timed out once and was run again, alone.
    """

    suite: str
    problem: str
    language: str
    sample: int
    answer: str
    finish: Literal["stop", "length"]
    cut: bool
    status: Status
    output: str
    cpu_seconds: float
    retried: bool

    @property
    def key(self) -> tuple[str, str, int]:
        """Unique in an evaluation."""
        return self.suite, self.problem, self.sample


@dataclass(frozen=True)
class Results:
    """An evaluation, read.

    Attributes:
        folder: where it is.
        summary: results.json.
        samples: in the order of suites, problems and samples; empty when no suite was run.
    """

    folder: Path
    summary: Mapping[str, Any]
    samples: Sequence[Sample]


def write_samples(folder: Path, samples: Sequence[Sample]) -> None:
    """Write samples.jsonl and log/runs.jsonl.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    lines = [vars(sample) for sample in samples]
    write_lines(folder / SAMPLES, ({k: v for k, v in line.items() if k not in _OF_THE_MACHINE} for line in lines))
    write_lines(folder / RUNS, ({k: line[k] for k in _NAMES + _OF_THE_MACHINE} for line in lines))


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write results.json.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    _replace(folder / RESULTS, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def read_results(folder: Path) -> Results:
    """Read what an evaluation left.

    Raises:
        EvaluationError: there is nothing, or it is damaged.
    """
    path = folder / RESULTS
    if not path.is_file():
        raise EvaluationError(
            "There are no results: no results.json in it.",
            where=folder,
            advice="Name the folder that `ownlm eval` printed, or a run that has evaluated.",
        )
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        samples = read_samples(folder) if (folder / SAMPLES).exists() else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"The results are damaged ({error}).", where=folder, advice="Evaluate again, into another folder."
        ) from error
    return Results(folder, summary, samples)


def read_samples(folder: Path) -> list[Sample]:
    """The answers and what came of them; without the log, outputs are empty.

    Raises:
        OSError: a file cannot be read.
        ValueError: a line is no JSON.
        TypeError: a line has other fields.
        KeyError: a line of the log has other fields.
    """
    ran: dict[tuple[Any, ...], dict[str, Any]] = {}
    if (folder / RUNS).exists():
        ran = {tuple(line[name] for name in _NAMES): line for line in read_lines(folder / RUNS)}
    unknown: dict[str, Any] = {"output": "", "cpu_seconds": 0.0, "retried": False}
    lines = read_lines(folder / SAMPLES)
    return [Sample(**(unknown | line | ran.get(tuple(line[name] for name in _NAMES), {}))) for line in lines]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file, one a line.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no JSON.
    """
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON objects, one a line, at once.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    _replace(path, "".join(line_of(values) for values in lines))


def line_of(values: Mapping[str, Any]) -> str:
    """One line; ASCII, so that no text of a model can break a reader."""
    return json.dumps(values, separators=(",", ":")) + "\n"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"The results cannot be written ({error.strerror}).",
            where=path,
            advice="Free disk space or make the folder writable, then run the same command: it goes on where it was.",
        ) from error
