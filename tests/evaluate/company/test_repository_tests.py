"""Bodies judged by a repository's own tests, in the real sandbox: right, wrong and hostile ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ownlm.errors import EvaluationError
from ownlm.evaluate.company.asking import Answer
from ownlm.evaluate.company.checkout import checkouts_fingerprint
from ownlm.evaluate.company.config import Repository, RepositoryTests
from ownlm.evaluate.company.question import Question
from ownlm.evaluate.company.repository_tests import RepositoryJudge
from ownlm.pipeline.progress import SilentProgress

PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/sums.py": 'def total(items):\n    """Sum of all."""\n    found = 0\n    for item in items:\n'
    "        found += item\n    return found\n\n\ndef unseen(x):\n    return x + 1\n",
    "pkg/known.py": "def known(x):\n    return x\n",
    "tests/test_sums.py": "from pkg.known import known\nfrom pkg.sums import total\n\n\ndef test_total():\n"
    "    assert total([1, 2, 3]) == 6\n\n\ndef test_none():\n    assert total([]) == 0\n\n\n"
    "def test_known():\n    assert known(1) == 1\n",
}
PYTEST = ["python", "-m", "pytest", "-q", "tests"]
BODIES = {
    "return sum(items)": "passed",
    "return 7": "failed",
    "import os\n    os._exit(0)": "no_end",
    "raise SystemExit(0)": "failed",
    "import pytest\n    pytest.exit('done', returncode=0)": "no_end",
    "import pytest\n    pytest.skip('never')": "no_end",
    "print('3 passed in 0.01s')\n    import os\n    os._exit(0)": "no_end",
    "return ((": "failed",
}
ENDLESS = "while True:\n        pass"


def _write(folder: Path, files: Mapping[str, str] = PACKAGE) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def _judge(sandbox: Any, folder: Path, trained: Sequence[str] = (), **more: Any) -> tuple[RepositoryJudge, Repository]:
    block = {"command": PYTEST, "cpu_seconds": 8.0} | more
    settings = RepositoryTests.model_validate({"repositories": {str(folder): block}, "functions": 5})
    ids = frozenset(hashlib.sha256(PACKAGE[path].encode()).hexdigest() for path in trained)
    return RepositoryJudge(sandbox, settings, ids, 2, SilentProgress()), settings.repositories[str(folder)]


def test_right_wrong_and_hostile_bodies(sandbox: Any, tmp_path: Path) -> None:
    judge, repository = _judge(sandbox, _write(tmp_path), ["pkg/known.py"])
    prepared = judge.prepare(str(tmp_path), repository)
    assert prepared.original.status == "passed"
    assert prepared.original.tests == 3
    (question,) = prepared.questions
    assert question.expected.startswith("found = 0")
    assert (prepared.untested, prepared.trained_on) == (1, 1)
    asked: list[Question] = []

    def ask(questions: Sequence[Question]) -> dict[str, list[Answer]]:
        asked.extend(questions)
        return {body: [Answer(body, False, 0.5)] for body in [question.expected, ENDLESS, *BODIES]}

    results = judge.results(ask)
    (found,) = results["repository_tests"].values()
    statuses = {body: next(iter(given["statuses"])) for body, given in found["rivals"].items()}
    assert statuses.pop(ENDLESS) in ("timed_out", "failed")
    assert statuses == {question.expected: "passed"} | BODIES
    assert found["rivals"][question.expected]["pass_rate"] == 1.0
    assert found["rivals"]["return 7"]["pass_rate"] == 0.0
    assert results["repository_tests_sandbox"]
    (sample,) = results["repository_tests_samples"]
    assert sample["answers"]["return 7"] == {"text": "return 7", "status": "failed"}
    assert [one.number for one in asked] == [3]


def test_other_commands_say_how_many_ran(sandbox: Any, tmp_path: Path) -> None:
    script = "from pkg.sums import total\nassert total([2, 2]) == 4\nprint('ran 1 tests')\n"
    folder = _write(tmp_path, PACKAGE | {"tests/run.py": script})
    judge, repository = _judge(
        sandbox, folder, command=["python", "-c", "exec(open('tests/run.py').read())"], tests_ran=r"ran (\d+) tests"
    )
    prepared = judge.prepare(str(folder), repository)
    assert [question.document.path for question in prepared.questions] == ["pkg/sums.py"]
    answers = [Answer(text, False, 0.0) for text in ("import os\n    os._exit(0)",)]
    (run,) = judge.judge(repository, prepared, answers)
    assert run.as_before(prepared.original) == "no_end"


def test_tests_that_fail_as_they_are_judge_nothing(sandbox: Any, tmp_path: Path) -> None:
    judge, _ = _judge(sandbox, _write(tmp_path, PACKAGE | {"tests/test_more.py": "def test():\n    assert 0\n"}))

    def never(questions: Sequence[Question]) -> dict[str, list[Answer]]:
        raise AssertionError

    (found,) = judge.results(never)["repository_tests"].values()
    assert (found["baseline"], found["functions"], found["rivals"]) == ("failed", 0, {})
    assert "1 failed" in found["baseline_output"]


def test_what_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="tests_ran"):
        Repository(command=["make", "test"])
    with pytest.raises(ValidationError, match="functions are known in"):
        Repository(command=["pytest"], language="Brainfuck")
    settings = RepositoryTests(repositories={str(tmp_path / "gone"): Repository(command=PYTEST)})
    with pytest.raises(EvaluationError, match="no checkout"):
        checkouts_fingerprint(settings, None)


def test_the_fingerprint_is_of_files_and_not_of_caches(tmp_path: Path) -> None:
    settings = RepositoryTests(repositories={str(_write(tmp_path)): Repository(command=PYTEST)})
    first = checkouts_fingerprint(settings, None)
    _write(tmp_path, {"pkg/__pycache__/x.pyc": "x", ".git/HEAD": "x"})
    assert checkouts_fingerprint(settings, None) == first
    _write(tmp_path, {"pkg/sums.py": "x = 1\n"})
    assert checkouts_fingerprint(settings, None) != first
