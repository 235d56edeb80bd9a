"""Pages of an evaluation: figures, and the browser of answers with texts that would like to be markup."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ownlm.evaluate.execution import carry_out
from ownlm.evaluate.journal import Journal
from ownlm.evaluate.report_answers import CHUNK
from ownlm.evaluate.report_suites import write_suites_report
from ownlm.evaluate.results import Sample
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.summary import summarize
from ownlm.pipeline.progress import SilentProgress
from tests.evaluate.fakes import FakeJudge, FakeModel, FakeSuite, asked
from tests.serve.browser import browser, missing

HOSTILE = "</script></pre><script>document.title='owned'</script><img src=x onerror=document.title='owned'>\u2028"


def report(folder: Path, suite: FakeSuite, change: dict[str, Any] | None = None, **run: Any) -> Sequence[Sample]:
    """The pages of a fake evaluation; `change` is what its answers are made to say."""
    what = asked(suite, **run)
    samples = carry_out(what, FakeModel((1, 3)), FakeJudge(), Journal(folder / "journal", {}), SilentProgress())
    samples = [replace(sample, **(change or {})) for sample in samples]
    summary = {
        "measured": {"name": HOSTILE if change else "fake", "identity": {"kind": "fake"}},
        "suites": {suite.name: summarize(what, samples)},
        "environment": {"ownlm": "0", "machine": "m", "sandbox": {"tool": "none"}, "tools": {"python": "3.11"}},
    }
    problems: dict[tuple[str, str], Problem] = {(suite.name, problem.id): problem for problem in suite.problems()}
    write_suites_report(folder / "report", summary, samples, problems)
    return samples


def blocks(page: str) -> list[Any]:
    """What the page carries, unpacked."""
    packed = re.findall(r'<script type="text/plain" [^>]*>([^<]*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(one))) for one in packed]


def test_the_figures_page(tmp_path: Path) -> None:
    report(tmp_path, FakeSuite(count=12, languages=("lua", "python")), samples=10, temperature=0.8, k=[1, 10])
    page = (tmp_path / "report/index.html").read_text()
    for words in ("numbers, pass@1", "pass@10", "pass@1 by language", "timed out", 'class="band c0"', "Measured with"):
        assert words in page
    assert 'href="answers/index.html"' in page


def test_every_answer_is_in_the_browser_of_answers(tmp_path: Path) -> None:
    samples = report(tmp_path, FakeSuite(count=CHUNK + 7))
    index, *chunks = blocks((tmp_path / "report/answers/index.html").read_text())
    assert [len(chunk) for chunk in chunks] == [CHUNK, 7]
    assert len(index["rows"]) == CHUNK + 7
    for row, shown, sample in zip(index["rows"], [one for chunk in chunks for one in chunk], samples, strict=True):
        assert index["status"][row[2]] == sample.status
        assert (row[3], shown["answer"], shown["output"]) == (sample.problem, sample.answer, sample.output)
        assert shown["prompt"].startswith("write ")


def test_no_text_of_a_model_becomes_markup(tmp_path: Path) -> None:
    report(tmp_path, FakeSuite(name=HOSTILE), {"answer": HOSTILE, "output": HOSTILE, "language": HOSTILE})
    for name in ("index.html", "answers/index.html"):
        page = (tmp_path / "report" / name).read_text()
        assert "<script>document" not in page
        assert "<img" not in page
        assert "default-src 'none'" in page
    answers = (tmp_path / "report/answers/index.html").read_text()
    assert len(re.findall("<script", answers)) == 3  # the index, one chunk, ours
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", answers)


def test_the_same_samples_give_the_same_pages(tmp_path: Path) -> None:
    for name in ("one", "two"):
        report(tmp_path / name, FakeSuite())
    for page in ("index.html", "answers/index.html"):
        assert (tmp_path / "one/report" / page).read_bytes() == (tmp_path / "two/report" / page).read_bytes()


@pytest.mark.browser
@pytest.mark.skipif(missing() is not None, reason=missing() or "")
def test_answers_are_filtered_and_shown_from_the_disk_alone(tmp_path: Path) -> None:
    report(tmp_path / "good", FakeSuite(count=600, languages=("lua", "python")))
    report(tmp_path / "bad", FakeSuite(count=3), {"answer": HOSTILE, "output": HOSTILE})
    with browser(tmp_path / "profile") as page:
        page.open((tmp_path / "good/report/answers/index.html").as_uri())
        page.eventually(lambda: page.text("#count") == "1,200 of 1,200 answers")
        choose = "const s = document.querySelector('#status'); s.value = '{}'; s.dispatchEvent(new Event('change'))"
        page.run(choose.format("failed"))
        page.eventually(lambda: page.text("#count") == "2 of 1,200 answers")
        page.eventually(lambda: "? is not 1" in page.text("#answer"))
        assert page.text("#answer mark") == "?"
        page.run(choose.format(""))
        write = "const t = document.querySelector('#text'); t.value = 'Write 577:'; t.dispatchEvent(new Event('input'))"
        page.run(write)
        page.eventually(lambda: page.text("#count") == "2 of 1,200 answers")
        page.open((tmp_path / "bad/report/answers/index.html").as_uri() + "#status=passed")
        page.eventually(lambda: "owned" in page.text("#answer mark"))
        assert page.text("#answer mark") == HOSTILE
        assert page.run("return document.title") == "Answers"
        assert page.run("return document.querySelectorAll('#answer img, #answer script').length") == 0
        assert page.console() == []
