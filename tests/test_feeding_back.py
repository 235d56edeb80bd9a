"""`ownlm feedback`: report, forget, export on a store that a gateway wrote."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from ownlm.errors import RecipeError
from ownlm.feeding_back import moment
from ownlm.live.feedback.open import open_feedback
from ownlm.serve.feedback import FeedbackConfig
from tests.live.feedback.made import event, served
from tests.test_cli import Ownlm, ownlm, refused

__all__ = ["ownlm"]  # a fixture


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With feedback of two users, ada's with text."""
    feedback = open_feedback(FeedbackConfig(keep_text=True, no_text_of=["bob"]), tmp_path / "home")
    now = time.time()
    for number, user in enumerate(("ada", "bob", "ada")):
        name = f"c{number}"
        more = {"language": "Go", "path": f"/home/ada/f{number}.go", "prefix": "func f() int {\n\treturn "}
        feedback.served(served(name, at=now - number * 86_400, texts=("1",), user=user, total_s=0.1, **more))
        feedback.event(event(name, "select" if number < 2 else "dismiss"))
    feedback.close()
    return tmp_path / "home"


def test_report_in_the_terminal_as_json_and_as_a_page(ownlm: Ownlm, home: Path, tmp_path: Path) -> None:
    done = ownlm("feedback", "report", "--home", home, "--html", tmp_path / "page.html", "--by", "language,week")
    assert done.code == 0
    for word in ("language", "Go", "66.7", "20.8–93.9", "101/101", "page"):
        assert word in done.out
    assert "By language" in (tmp_path / "page.html").read_text()
    figures = json.loads(ownlm("feedback", "report", "--home", home, "--json", "--since", "36h").out)
    assert (figures["all"]["shown"], figures["all"]["accepted"], figures["all"]["users"]) == (2, 2, 2)
    assert [line["name"] for line in figures["by_language"]] == ["Go"]


def test_a_user_is_forgotten_by_name(ownlm: Ownlm, home: Path) -> None:
    assert "Deleted 2 completions" in ownlm("feedback", "forget", "ada", "--home", home).out
    assert "Deleted 0 completions" in ownlm("feedback", "forget", "ada", "--home", home).out
    figures = json.loads(ownlm("feedback", "report", "--home", home, "--json").out)
    assert figures["all"]["completions"] == 1
    (home / "feedback" / "feedback.key").unlink()
    refused(ownlm("feedback", "forget", "bob", "--home", home), 3, "key of users' names is not there", "--key")


def test_export(ownlm: Ownlm, home: Path, tmp_path: Path) -> None:
    done = ownlm("feedback", "export", "--home", home, "--to", tmp_path / "data")
    assert "1 documents" in done.out
    assert "parquet: {path:" in done.out
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["documents.parquet", "export.json", "pairs"]
    refused(ownlm("feedback", "export", "--home", home, "--to", tmp_path / "data"), 3, "something already")


def test_nothing_shown_and_nothing_kept_is_said(ownlm: Ownlm, tmp_path: Path) -> None:
    open_feedback(FeedbackConfig(), tmp_path / "home").close()
    assert "No client has told" in ownlm("feedback", "report", "--home", tmp_path / "home").out
    done = ownlm("feedback", "export", "--home", tmp_path / "home", "--to", tmp_path / "data")
    assert "serve.feedback.keep_text=true" in done.out
    assert "parquet: {path:" not in done.out


def test_wrong_questions(ownlm: Ownlm, home: Path, tmp_path: Path) -> None:
    refused(ownlm("feedback", "report", "--home", tmp_path), 3, "no feedback here", "serve.feedback")
    refused(ownlm("feedback", "report", "--home", home, "--by", "colour"), 2, "colour", "language")
    refused(ownlm("feedback", "report", "--home", home, "--since", "yesterday"), 2, "yesterday", "30d")


def test_moments() -> None:
    assert moment("", 5.0) is None
    assert moment("2d", 200_000.0) == 200_000.0 - 2 * 86_400
    assert moment("1970-01-02", 0.0) == 86_400.0
    assert moment("1970-01-02T00:00:00+01:00", 0.0) == 82_800.0
    with pytest.raises(RecipeError):
        moment("d", 0.0)
