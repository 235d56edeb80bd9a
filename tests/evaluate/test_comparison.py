from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import EvaluationError
from ownlm.evaluate.comparison import compare_results, names_of
from ownlm.evaluate.execution import carry_out
from ownlm.evaluate.journal import Journal
from ownlm.evaluate.report_compare import write_comparison
from ownlm.evaluate.results import Results, read_results, write_samples, write_summary
from ownlm.evaluate.summary import summarize
from ownlm.pipeline.progress import SilentProgress
from tests.evaluate.fakes import FakeJudge, FakeModel, FakeSuite, asked

ENVIRONMENT = {"ownlm": "0", "machine": "here", "sandbox": {"tool": "none"}, "tools": {"python": "3.11", "lua": "5.4"}}


def results(folder: Path, name: str, wrong: tuple[int, ...], suite: FakeSuite | None = None, **run: Any) -> Results:
    what = asked(suite or FakeSuite(count=40, languages=("lua", "python")), **run)
    samples = carry_out(what, FakeModel(wrong), FakeJudge(), Journal(folder / "journal", {}), SilentProgress())
    write_samples(folder, samples)
    measured = {"name": name, "identity": {"kind": "fake"}}
    summary = {"measured": measured, "suites": {what.name: summarize(what, samples)}, "environment": ENVIRONMENT}
    write_summary(folder, summary)
    return read_results(folder)


def test_who_is_better_in_a_sentence(tmp_path: Path) -> None:
    a = results(tmp_path / "a", "old", tuple(range(20)))
    b = results(tmp_path / "b", "new", (0, 1, 2, 39))
    (found,) = compare_results(a, b)
    assert names_of(a, b) == ("old", "new")
    assert found.all.better == "b"
    assert found.all.sentence("old", "new").startswith("new solves 34 problems that old does not, old 2 that new does")
    assert list(found.languages) == ["lua", "python"]
    assert found.languages["lua"].only_b == 17
    assert found.only_a == ("lua/39", "python/39")
    assert found.warnings == ()


def test_the_page_shows_both_and_what_only_one_solves(tmp_path: Path) -> None:
    a = results(tmp_path / "a", "</script>old", (1, 2, 3))
    b = results(tmp_path / "b", "new", (1,))
    write_comparison(tmp_path / "page.html", *names_of(a, b), compare_results(a, b))
    page = (tmp_path / "page.html").read_text()
    assert "python/2\npython/3" in page
    assert "Problems that only B (new) does better: 4" in page
    assert "</script>old" not in page
    assert "pass@1 by language" in page


def test_what_makes_it_unfair_is_said(tmp_path: Path) -> None:
    a = results(tmp_path / "a", "m", (1,), FakeSuite(count=5), max_tokens=3)
    b = results(tmp_path / "b", "m", (1,), FakeSuite(count=9))
    b.summary["environment"]["tools"]["python"] = "3.13"
    b.summary["suites"]["numbers"]["facts"]["sha256"] = "other"
    (found,) = compare_results(a, b)
    assert names_of(a, b) == ("m (a)", "m (b)")
    assert found.all.problems == 5
    assert found.warnings == (
        "The benchmark's files are not the same.",
        "max tokens: 3 and 16.",
        "4 problems were asked of one of the two only, and left out.",
        "python was run with 3.11 and with 3.13.",
    )


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    a = results(tmp_path / "a", "m", ())
    b = results(tmp_path / "b", "m", (), FakeSuite(name="letters"))
    with pytest.raises(EvaluationError, match="no suite in common: one by numbers; the other letters"):
        compare_results(a, b)
