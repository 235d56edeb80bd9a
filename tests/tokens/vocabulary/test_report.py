"""The page from figures: complete, and harmless whatever the tokens, names and paths are."""

from __future__ import annotations

import copy
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from ownlm.tokens.vocabulary.report import write_report
from ownlm.tokens.vocabulary.visible import visible
from tests.tokens.corpora import program, small, train_vocabulary, write_corpus

HOSTILE = "<script>alert(1)</script>\u202e\x00\x1b"


def figures() -> dict[str, Any]:
    file = small()[2].parent / "vocabulary/report/figures.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def page_of(tmp_path: Path, found: dict[str, Any]) -> str:
    write_report(found, tmp_path / "index.html")
    return (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_page_has_every_part(tmp_path: Path) -> None:
    page = page_of(tmp_path, figures())
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert headings == [
        "How a line is cut",
        "Beside other tokenizers",
        "Identifiers",
        "Indentation",
        "What it learned",
        "Tokens of a single repository",
        "Tokens never used",
    ]
    assert page.count('<svg class="chart"') == 7
    assert "Nothing to draw" not in page
    assert "·return" in page


def test_hostile_names_are_text(tmp_path: Path) -> None:
    found = copy.deepcopy(figures())
    token = {"id": 400, "bytes": 9, "text": visible(HOSTILE.encode())}
    place = {"times": 20, "documents": 2, "repository": HOSTILE, "repository_share": 0.5, "path": HOSTILE * 9}
    found["longest"], found["first"], found["unused"]["tokens"] = [token], [token], [token]
    found["repositories"]["tokens"] = [token | place]
    found["costly_identifiers"] = {HOSTILE: [{"identifier": HOSTILE * 9, "times": 3, "tokens": 9}]}
    for one in found["tokenizers"]:
        one["name"] += HOSTILE
        one["languages"][HOSTILE] = one["languages"]["Python"]
    page = page_of(tmp_path, found)
    assert "<script" not in page
    assert page.count("&lt;script") > 8
    assert not any(unicodedata.category(character) == "Cc" for character in page if character not in "\t\n")
    assert visible(HOSTILE.encode()).replace("<", "&lt;").replace(">", "&gt;") in page


def test_a_sample_of_one_repository_says_that_it_cannot_tell(tmp_path: Path) -> None:
    found = copy.deepcopy(figures())
    found["repositories"]["count"] = 1
    page = page_of(tmp_path, found)
    assert "The sample has one repository" in page
    assert "its share of the sample" not in page


def test_languages_without_a_grammar_have_no_identifiers_and_no_bars_for_them(tmp_path: Path) -> None:
    found = copy.deepcopy(figures())
    found["costly_identifiers"] = {}
    for one in found["tokenizers"]:
        one["languages"] = {"Brainfuck": one["languages"]["Python"] | {"identifiers": None}}
    page = page_of(tmp_path, found)
    assert page.count("Nothing to draw") == 2
    assert "Brainfuck" in page


def test_a_corpus_without_anything_held_out_is_measured_on_what_was_trained_on(tmp_path: Path) -> None:
    texts = [program(seed) for seed in range(50)]
    folder = train_vocabulary(tmp_path, write_corpus(tmp_path / "corpus", {"train": texts}), size=450)
    assert "Measured on training documents" in (folder / "report/index.html").read_text(encoding="utf-8")
