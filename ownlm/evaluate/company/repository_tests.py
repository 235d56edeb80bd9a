"""Function bodies judged by the tests of the repository they are from.

    checkout ─► tests as it is      must pass, else nothing of it can be judged
             ─► body taken out      must fail, else no test looks at the function: not counted
             ─► the rival's body    passed, if the same tests run and pass as before

Functions are drawn by hash from files that are no tests and that the model was not trained on (by content hash). Every
distinct text runs once. All runs are in the sandbox.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ownlm.evaluate.company.asking import Answer
from ownlm.evaluate.company.checkout import folder_of, read_checkout, sources_of
from ownlm.evaluate.company.config import Repository, RepositoryTests
from ownlm.evaluate.company.question import Question
from ownlm.evaluate.company.regions import questions_in
from ownlm.evaluate.company.tests_run import TestRun, run_tests
from ownlm.evaluate.hash_order import hash_order
from ownlm.evaluate.sandbox.program import Sandbox
from ownlm.pipeline.progress import Progress
from ownlm.statistics.proportion import wilson_interval
from ownlm.tokens.shards.reader import DocumentSpan

Ask = Callable[[Sequence[Question]], Mapping[str, Sequence[Answer]]]
"""Every rival's answer to every question, by rival."""
TRIES = 5
"""Functions tried for each that is wanted: many are looked at by no test."""
TAKEN_OUT = {"Python": "raise NotImplementedError"}


@dataclass(frozen=True)
class Judged:
    """A repository whose tests pass, and functions its tests look at.

    Attributes:
        files: of the checkout.
        original: how the tests end with it as it is.
        questions: function bodies that cannot be taken out without a test failing.
        untested: functions that can.
        trained_on: files left out because the model was trained on them.
    """

    files: Mapping[str, bytes]
    original: TestRun
    questions: tuple[Question, ...]
    untested: int
    trained_on: int


class RepositoryJudge:
    """Finds the functions that can be judged, and judges.

    Args:
        sandbox: where tests run.
        settings: which repositories, how many functions.
        trained: ids (sha256) of the documents the model was trained on.
        workers: runs at a time.
        progress: where the work is shown.
    """

    def __init__(
        self, sandbox: Sandbox, settings: RepositoryTests, trained: frozenset[str], workers: int, progress: Progress
    ) -> None:
        self._sandbox, self._settings, self._trained = sandbox, settings, trained
        self._workers, self._progress = workers, progress

    def results(self, ask: Ask) -> dict[str, Any]:
        """`repository_tests`, `repository_tests_sandbox`, `repository_tests_samples` of results.json.

        Raises:
            EvaluationError: a checkout is not there.
            DependencyError: its command is not.
            SandboxError: containment failed.
        """
        found: dict[str, Any] = {}
        samples: list[dict[str, Any]] = []
        for name, repository in self._settings.repositories.items():
            judged = self.prepare(name, repository)
            answers = ask(judged.questions) if judged.questions else {}
            runs = {rival: self.judge(repository, judged, given) for rival, given in answers.items()}
            found[name] = _summary(judged, answers, runs)
            samples += [_sample(name, judged, index, answers, runs) for index in range(len(judged.questions))]
        sandbox = dict(self._sandbox.describe())
        return {"repository_tests": found, "repository_tests_sandbox": sandbox, "repository_tests_samples": samples}

    def prepare(self, name: str, repository: Repository) -> Judged:
        """Run the tests as they are, and with bodies taken out until enough functions are found."""
        files = read_checkout(folder_of(name, repository))
        original = run_tests(self._sandbox, repository, files)
        if original.status != "passed":
            return Judged(files, original, (), 0, 0)
        candidates, trained_on = self._candidates(name, repository, files)
        wanted, tried = self._settings.functions, 0
        questions: list[Question] = []
        empty = TAKEN_OUT.get(repository.linguist, "")
        while len(questions) < wanted and tried < min(len(candidates), TRIES * wanted):
            batch = candidates[tried : tried + wanted - len(questions)]
            tried += len(batch)
            runs = self._run(repository, files, [(one, empty) for one in batch], f"{name}, taken out")
            questions += [one for one, run in zip(batch, runs, strict=True) if run.as_before(original) != "passed"]
        return Judged(files, original, tuple(questions), tried - len(questions), trained_on)

    def judge(self, repository: Repository, judged: Judged, answers: Sequence[Answer]) -> list[TestRun]:
        """Run the tests with each answer in its place."""
        pairs = [(question, answer.text) for question, answer in zip(judged.questions, answers, strict=True)]
        return self._run(repository, judged.files, pairs, "tests of bodies")

    def _candidates(self, name: str, repository: Repository, files: Mapping[str, bytes]) -> tuple[list[Question], int]:
        questions, trained_on = [], 0
        for path, text in sources_of(files, repository.linguist):
            digest = hashlib.sha256(files[path]).hexdigest()
            if digest in self._trained:
                trained_on += 1
                continue
            span = DocumentSpan(0, digest, "checkout", name, path, repository.linguist, 0, 0, len(files[path]))
            questions += list(questions_in(span, text, "body", 1, self._settings.max_lines))
        questions.sort(key=lambda one: hash_order(self._settings.seed, one.document.path, one.number))
        return questions, trained_on

    def _run(
        self,
        repository: Repository,
        files: Mapping[str, bytes],
        bodies: Sequence[tuple[Question, str]],
        what: str,
    ) -> list[TestRun]:
        texts = [(one.document.path, one.text[: one.start] + body + one.text[one.stop :]) for one, body in bodies]
        distinct = list(dict.fromkeys(texts))
        with self._progress.task(what, len(distinct), "runs") as task, ThreadPoolExecutor(self._workers) as pool:

            def run(changed: tuple[str, str]) -> TestRun:
                path, text = changed
                ended = run_tests(self._sandbox, repository, {**files, path: text.encode()})
                task.advance()
                return ended

            ended = dict(zip(distinct, pool.map(run, distinct), strict=True))
        return [ended[one] for one in texts]


def _summary(
    judged: Judged, answers: Mapping[str, Sequence[Answer]], runs: Mapping[str, Sequence[TestRun]]
) -> dict[str, Any]:
    return {
        "baseline": judged.original.status,
        "baseline_output": "" if judged.original.status == "passed" else judged.original.output,
        "tests": judged.original.tests,
        "functions": len(judged.questions),
        "untested": judged.untested,
        "trained_on": judged.trained_on,
        "rivals": {rival: _scores(judged, answers[rival], given) for rival, given in runs.items()},
    }


def _scores(judged: Judged, answers: Sequence[Answer], runs: Sequence[TestRun]) -> dict[str, Any]:
    statuses = Counter(run.as_before(judged.original) for run in runs)
    count = len(runs)
    return {
        "pass_rate": round(statuses["passed"] / count, 6),
        "pass_rate_95": [round(bound, 6) for bound in wilson_interval(statuses["passed"], count)],
        "n": count,
        "statuses": dict(sorted(statuses.items())),
        "exact_match": round(sum(one.exact for one in answers) / count, 6),
        "edit_similarity": round(sum(one.similarity for one in answers) / count, 6),
    }


def _sample(
    name: str,
    judged: Judged,
    index: int,
    answers: Mapping[str, Sequence[Answer]],
    runs: Mapping[str, Sequence[TestRun]],
) -> dict[str, Any]:
    question = judged.questions[index]
    return {
        "repo": name,
        "path": question.document.path,
        "line": question.number,
        "kind": question.kind,
        "before": "\n".join(question.before.split("\n")[-8:]),
        "expected": question.expected,
        "answers": {
            rival: {"text": given[index].text, "status": runs[rival][index].as_before(judged.original)}
            for rival, given in answers.items()
        },
    }
