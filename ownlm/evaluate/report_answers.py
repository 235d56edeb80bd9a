"""The browser of answers: every problem's prompt, completion, verdict and output in one file, filtered in the page.

What models and test programs wrote is hostile. It is in the page as base64 of compressed JSON, a chunk of answers in a
block that no browser runs, and the page's one script, allowed by its hash, shows it as text. Thousands of answers stay
fast: the list needs only the index, and a chunk is unpacked when one of its answers is looked at or searched.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ownlm.evaluate.results import Sample
from ownlm.evaluate.suites.base import Problem
from ownlm.web.html import Html
from ownlm.web.page import Page

CHUNK = 250
"""Answers unpacked together."""
SCRIPT = Path(__file__).parents[1] / "web" / "answers" / "answers.js"
_FRAME = """\
<form class="filters" id="filters">
<label>Suite <select id="suite"><option value="">all</option></select></label>
<label>Language <select id="language"><option value="">all</option></select></label>
<label>Verdict <select id="status"><option value="">all</option></select></label>
<label>Text <input id="text" type="search" placeholder="in prompt, answer, output" autocomplete="off"></label>
</form>
<noscript><p class="nothing">Filters need JavaScript; samples.jsonl and log/runs.jsonl hold the same.</p></noscript>
<p class="note" id="count" role="status"></p>
<div class="answers"><ol id="list"></ol><article id="answer"></article></div>"""


def write_answers(
    path: Path, model: str, samples: Sequence[Sample], problems: Mapping[tuple[str, str], Problem]
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        model: its name.
        samples: in the order they are listed.
        problems: by suite and id.

    Raises:
        StorageError: it cannot be written.
    """
    page = Page("Answers", f"What {model} wrote, and what came of it", script=SCRIPT.read_text(encoding="utf-8"))
    page.add(Html(_FRAME))
    page.add(_block(_index(samples), 'id="index"'))
    for start in range(0, len(samples), CHUNK):
        some = samples[start : start + CHUNK]
        page.add(_block([_answer(one, problems.get((one.suite, one.problem))) for one in some], 'class="chunk"'))
    page.write(path)


def _index(samples: Sequence[Sample]) -> dict[str, Any]:
    """What the list and its filters need: names once, and five small values an answer."""
    names = {
        what: list(dict.fromkeys(str(getattr(sample, what)) for sample in samples))
        for what in ("suite", "language", "status")
    }
    places = {what: {name: place for place, name in enumerate(values)} for what, values in names.items()}
    rows = [
        [*(places[what][getattr(sample, what)] for what in names), sample.problem, sample.sample] for sample in samples
    ]
    return {"size": CHUNK, **names, "several": any(sample.sample for sample in samples), "rows": rows}


def _answer(sample: Sample, problem: Problem | None) -> dict[str, Any]:
    return {
        "prompt": problem.prompt if problem else "",
        "suffix": (problem.suffix or "") if problem else "",
        "reference": (problem.reference or "") if problem else "",
        "answer": sample.answer,
        "output": sample.output,
        "finish": sample.finish,
        "cut": sample.cut,
        "seconds": round(sample.cpu_seconds, 2),
        "retried": sample.retried,
    }


def _block(values: Any, attribute: str) -> Html:
    packed = base64.b64encode(zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)).decode()
    return Html(f'<script type="text/plain" {attribute}>{packed}</script>')
