"""`ownlm eval`: from a command line to results, pages and a comparison."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ownlm import cli
from ownlm.errors import RecipeError
from ownlm.evaluate.asking import settings_of, suites_of, tracking_of
from tests.evaluate.models import trained
from tests.evaluate.numbers_suite import cannot_contain, write_suite

ASKED = {"path": None, "k": "1", "languages": None}
contained = pytest.mark.skipif(cannot_contain() is not None, reason=cannot_contain() or "")


def ownlm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["ownlm", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    written = capsys.readouterr()
    return int(ended.value.code or 0), written.out, written.err


@contained
def test_a_model_measured_twice_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, vocabulary, _ = trained()
    suite = write_suite(tmp_path / "suite")
    common = ("--suite", suite, "--home", tmp_path / "home")
    code, out, err = ownlm(
        monkeypatch, capsys, "eval", train, f"vocabulary={vocabulary}", "name=first", *common, "--out", tmp_path / "one"
    )
    assert code == 0, err
    assert "known" in out
    assert "50.0 %" in out
    assert "one/report/index.html" in out.replace("\n", "")
    code, out, err = ownlm(
        monkeypatch, capsys, "eval", "run", train, f"vocabulary={vocabulary}", "name=second", *common, "--json"
    )
    found = json.loads(out)
    assert found["suites"]["known"]["pass_at_k"]["1"]["value"] == 0.5
    assert Path(found["folder"]).parent == tmp_path / "home/eval"
    compared = ("eval", "compare", tmp_path / "one", found["folder"], "--home", tmp_path / "home")
    code, out, _ = ownlm(monkeypatch, capsys, *compared)
    assert "first and second solve every problem alike (4 problems): no difference." in out
    code, out, _ = ownlm(monkeypatch, capsys, *compared, "--json")
    assert json.loads(out)["suites"]["known"]["all"]["p"] == 1
    again = ownlm(monkeypatch, capsys, "eval", train, f"vocabulary={vocabulary}", *common, "--out", tmp_path / "one")
    assert again[0] == 10
    assert "another evaluation: model differs" in again[2]


def test_what_has_no_meaning_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = ("--home", tmp_path)
    code, _, err = ownlm(monkeypatch, capsys, "eval", "model", *home)
    assert (code, "--suite NAME" in err) == (10, True)
    code, _, err = ownlm(monkeypatch, capsys, "eval", "model", "--suite", "humanevil", *home)
    assert (code, "did you mean 'humaneval'" in err) == (10, True)
    code, _, err = ownlm(monkeypatch, capsys, "eval", "model", "--suite", "humaneval", "--k", "1,5", *home)
    assert (code, "at least 5 samples" in err) == (2, True)
    code, _, err = ownlm(monkeypatch, capsys, "eval", "compare", tmp_path, tmp_path, *home)
    assert (code, "no results.json" in err) == (10, True)


def test_words_become_settings() -> None:
    assert settings_of(["engine=ctranslate2", "concurrency=16", "fim_template={prefix}", "unsafe=true"]) == {
        "engine": "ctranslate2",
        "concurrency": 16,
        "fim_template": "{prefix}",
        "unsafe": True,
    }
    found = suites_of(["a", "b"], {**ASKED, "samples": 10, "temperature": 0.2, "k": "1,10", "languages": "cpp, go"})
    assert found["a"] == found["b"]
    assert (found["a"].k, found["a"].languages) == ([1, 10], ["cpp", "go"])
    assert tracking_of(mlflow=False, mlflow_uri="sqlite:///x.db", wandb=False).mlflow is not None
    for wrong in (
        lambda: settings_of(["humaneval"]),
        lambda: suites_of(["a"], {**ASKED, "k": "many"}),
        lambda: tracking_of(mlflow=False, mlflow_uri="ftp://x", wandb=False),
    ):
        with pytest.raises(RecipeError):
            wrong()
