from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ownlm.evaluate.company.asking import Answer, Entry, ask_all
from ownlm.evaluate.company.config import HiddenBlocks, HiddenBodies
from ownlm.evaluate.company.hidden_regions import examples, judge, read_questions, summarize
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.company.question import Question
from ownlm.evaluate.company.regions import questions_in
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.shards.reader import ShardReader
from tests.evaluate.company.test_hidden_lines import Knows
from tests.evaluate.company.test_regions import span
from tests.tokens.corpora import pack_texts, program, small

TEXT = (
    "def first(x):\n    y = x  \n\n    return y\n\n\ndef other(x):\n    if x:\n        a()\n        b()\n    return x\n"
)


def bodies(text: str = TEXT) -> list[Question]:
    return list(questions_in(span(), text, "body", 1, 20))


@pytest.mark.parametrize(
    ("written", "taken_back", "exact"),
    [
        (" y = x\n\n    return y\n", " ", True),
        (" y = x\n    \n    return y\n\n\ndef next():\n    pass\n", " ", True),
        ("y = x\n\n    return y", "", True),
        ("y = x\n\n    return y", " ", False),
        (" y = x\n    return y", " ", False),
        (" y = x\n\n    return y\n    more()", " ", False),
        ("", " ", False),
    ],
)
def test_judging(written: str, taken_back: str, exact: bool) -> None:
    answer = judge(written, bodies()[0], taken_back)
    assert answer.exact is exact
    assert (answer.similarity == 1.0) == (exact or written == "y = x\n\n    return y")


@pytest.mark.parametrize("order", ["left_to_right", "suffix_first", "prefix_first"])
def test_who_writes_the_bodies_gets_full_marks(order: Any) -> None:
    right = [question.indentation[-1:] + question.expected + "\n\nclass Next:" for question in bodies()]
    prompts = Prompts(small()[1], 400, HiddenBodies(), one_line=False)
    entries = {"model": Entry(Knows(right), order)}
    given = ask_all("bodies", bodies(), entries, prompts, judge, SilentProgress())["model"]
    scores: Any = summarize(given, bodies())
    assert scores["exact_match"] == scores["edit_similarity"] == 1.0
    assert scores["edit_similarity_95"] == [1.0, 1.0]
    assert scores["by_language"]["Python"]["n"] == scores["by_kind"]["function"]["n"] == 2
    assert scores["by_kind"]["function"]["exact_match_95"][0] < 1


def test_similarities_of_one_file_are_drawn_together() -> None:
    """Four files that agree within themselves: the interval is that of four, not of forty."""
    questions, answers = [], []
    for name, similarity in (("a", 0.0), ("b", 0.0), ("c", 1.0), ("d", 1.0)):
        (question,) = questions_in(span(name=name), "def f():\n    return 1\n", "body", 1, 9)
        questions += [question] * 10
        answers += [Answer("", False, similarity)] * 10
    low, high = _interval(answers, questions)
    assert low == 0.0
    assert high == 1.0
    assert summarize(answers, questions)["edit_similarity"] == 0.5


def _interval(answers: Sequence[Answer], questions: Sequence[Question]) -> list[float]:
    found: Any = summarize(answers, questions)["edit_similarity_95"]
    return list(found)


def test_questions_come_from_the_shards_one_a_file_first(tmp_path: Path) -> None:
    vocabulary = small()[1]
    reader = ShardReader(small()[2] / "heldout_files")
    found = read_questions(reader, vocabulary, "body", HiddenBodies(count=8))
    assert len(found) == 8
    assert len({question.document.id for question in found[:6]}) == 6
    again = read_questions(reader, vocabulary, "body", HiddenBodies(count=8))
    assert [one.number for one in again] == [one.number for one in found]
    blocks = read_questions(reader, vocabulary, "block", HiddenBlocks(min_lines=1))
    assert {question.kind for question in blocks} == {"loop", "conditional"}
    none = pack_texts(tmp_path, ["x = 1\n" * 20], vocabulary)
    assert read_questions(none, vocabulary, "body", HiddenBodies()) == []


def test_no_more_files_are_parsed_than_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def counted(document: Any, text: str, *rest: Any) -> list[Question]:
        parsed.append(document.id)
        return list(questions_in(document, text, *rest))

    monkeypatch.setattr("ownlm.evaluate.company.hidden_regions.questions_in", counted)
    reader = pack_texts(tmp_path, [program(seed) for seed in range(12)], small()[1])
    assert len(read_questions(reader, small()[1], "body", HiddenBodies(count=3))) == 3
    assert len(parsed) == 3


def test_examples_show_right_and_wrong() -> None:
    given = [Answer("y = x", False, 0.5), Answer("return 1", True, 1.0)]
    shown: Any = examples(bodies(), {"model": given}, HiddenBodies(examples=2))
    assert {one["answers"]["model"]["text"] for one in shown} == {"y = x", "return 1"}
    assert all("def " in one["before"] for one in shown)
