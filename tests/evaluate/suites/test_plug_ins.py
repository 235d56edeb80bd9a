"""Benchmarks of one's own: the folder that is shipped as an example, faults in such folders, installed packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ownlm.data.clean.dedup.benchmarks import read_benchmarks
from ownlm.errors import EvaluationError
from ownlm.evaluate.suites.base import Suite
from ownlm.evaluate.suites.folder import read_suite_file
from ownlm.evaluate.suites.registry import SUITES, open_suite, suite_names
from ownlm.evaluate.suites.settings import SuiteSettings
from tests.evaluate.suites.formats import passes

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "recipes/suites/units"
DOCS = ROOT / "docs/suites.md"


@pytest.fixture
def example() -> Suite:
    return open_suite(str(EXAMPLE))


def test_the_example_is_asked_and_judged(example: Suite) -> None:
    problems = example.problems()
    assert (example.name, example.max_tokens) == ("units", 128)
    assert [problem.language for problem in problems] == ["python", "python", "python", "javascript"]
    hole = problems[2]
    assert hole.suffix is not None
    assert hole.stops == ("\n        value",)
    for problem in problems[:3]:
        assert problem.reference is not None
        assert example.trim(problem, problem.reference) == problem.reference
        assert passes(example.source(problem, problem.reference))
        assert not passes(example.source(problem, ""))
        wrong = re.sub(r"32|60|1024", "59", problem.reference)
        assert not passes(example.source(problem, wrong))


def test_a_chat_like_answer_to_the_example(example: Suite) -> None:
    problem = example.problems()[0]
    answer = f"```python\n{problem.prompt}{problem.reference}```\nDone."
    assert example.trim(problem, answer) == problem.reference


def test_the_example_is_as_the_docs_show_it(example: Suite) -> None:
    docs = DOCS.read_text(encoding="utf-8")
    assert (EXAMPLE / "suite.yaml").read_text(encoding="utf-8") in docs
    assert (EXAMPLE / "problems.jsonl").read_text(encoding="utf-8").splitlines()[0] in docs


def test_the_example_can_be_kept_out_of_training_data() -> None:
    texts = [text for problem in read_benchmarks([EXAMPLE]) for text in problem.texts]
    assert any("return celsius * 9 / 5 + 32" in text for text in texts)


def test_languages_and_limit_count_in_a_folder_too() -> None:
    some = open_suite(str(EXAMPLE), SuiteSettings(languages=["python"], limit=2))
    assert [problem.id for problem in some.problems()] == ["units/celsius", "units/duration"]


def folder(path: Path, suite: str = "name: mine\nlanguage: python\n", **fields: object) -> str:
    path.mkdir(exist_ok=True)
    (path / "suite.yaml").write_text(suite)
    row = {"id": 1, "prompt": "def f():\n", "tests": "assert f()", **fields}
    (path / "problems.jsonl").write_text(json.dumps(row) + "\n")
    return str(path)


def test_the_program_may_name_any_field(tmp_path: Path) -> None:
    suite = open_suite(
        folder(tmp_path, 'name: a\nprogram: "{setup}{prompt}{answer} {not a field} {}"\n', language="Lua", setup="X")
    )
    (problem,) = suite.problems()
    assert problem.language == "lua"
    assert suite.source(problem, "{prompt}").text == "Xdef f():\n{prompt} {not a field} {}"


@pytest.mark.parametrize(
    ("suite", "line", "what"),
    [
        ("name: mine\nlangage: python\n", 2, "langage"),
        ("name: mine\nmax_tokens: 0\n", 2, "max_tokens"),
        ("name: Mine Own\n", 1, "name"),
        ("language: python\n", None, "name"),
        ("name: [\n", 2, "not valid YAML"),
        ("- name\n", None, "not valid YAML"),
    ],
)
def test_faults_of_a_suite_file_are_told_with_their_line(
    suite: str, line: int | None, what: str, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match=what) as caught:
        open_suite(folder(tmp_path, suite))
    assert caught.value.where == str(tmp_path / "suite.yaml") + ("" if line is None else f":{line}")


def test_a_suite_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_bytes(b"\xff")
    with pytest.raises(EvaluationError, match="cannot be read"):
        read_suite_file(tmp_path / "suite.yaml")


@pytest.mark.parametrize(
    ("suite", "fields", "what"),
    [
        ("name: mine\n", {}, "names a language"),
        ("name: mine\nlanguage: c\n", {"prompt": None}, "no text 'prompt'"),
        ("name: mine\nlanguage: c\n", {"id": None}, "no 'id'"),
        ("name: mine\nlanguage: c\n", {"tests": None}, "has no tests, which the program"),
        ("name: mine\nlanguage: c\n", {"stops": "x"}, "no list of texts"),
        ("name: mine\nlanguage: c\n", {"suffix": 1}, "no text 'suffix'"),
    ],
)
def test_faults_of_a_problem_are_told_with_their_line(
    suite: str, fields: dict[str, object], what: str, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match=what) as caught:
        open_suite(folder(tmp_path, suite, **fields)).problems()
    assert caught.value.where == f"{tmp_path / 'problems.jsonl'}:1"


def install(site: Path, module: str, text: str, name: str = "mine") -> None:
    """What pip leaves of a package with an entry point."""
    about = site / f"{module}-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(f"[ownlm.suites]\n{name} = {module}:open_mine\n")
    (site / f"{module}.py").write_text(text)


def test_the_package_of_the_docs_brings_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = re.search(r"```python\n(# mine_suite\.py\n.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert written is not None
    install(tmp_path, "mine_suite", written[1])
    monkeypatch.syspath_prepend(tmp_path)
    assert suite_names() == [*SUITES, "mine"]
    suite = open_suite("mine", SuiteSettings(limit=3))
    problems = suite.problems()
    assert len(problems) == 3
    for problem in problems:
        assert passes(suite.source(problem, suite.trim(problem, problem.reference or "")))
        assert not passes(suite.source(problem, ""))


def test_a_package_that_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "broken_suite", "import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "mine" in suite_names()
    with pytest.raises(
        EvaluationError, match=r"package broken_suite 1\.2 cannot be opened.*a_module_that_is_not_there"
    ):
        open_suite("mine")


def test_a_package_takes_no_name_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "greedy_suite", "open_mine = None\n", name="humaneval")
    monkeypatch.syspath_prepend(tmp_path)
    assert suite_names() == list(SUITES)
    assert type(open_suite("humaneval")).__name__ == "HumanEval"


def test_an_unknown_suite_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="did you mean 'humaneval'"):
        open_suite("human_eval")
    with pytest.raises(EvaluationError, match="There is no suite") as caught:
        open_suite(str(tmp_path))
    assert "suite.yaml" in str(caught.value)
