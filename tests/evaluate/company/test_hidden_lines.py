from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from ownlm.evaluate.company.asking import Entry, ask_all
from ownlm.evaluate.company.config import HiddenLines, Order
from ownlm.evaluate.company.hidden_lines import examples, judge, judge_line, read_questions, summarize
from ownlm.evaluate.company.lines import questions_in
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.company.question import Question
from ownlm.pipeline.progress import SilentProgress, Task
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from tests.tokens.corpora import small

TEXT = "import json\n\ndef load(path):\n    data = json.load(path)\n    return data['value']\n"
SPAN = DocumentSpan(0, hashlib.sha256(TEXT.encode()).hexdigest(), "test", "repo", "a.py", "Python", 0, 1, 0)


class Knows:
    """Answers with the lines it was given, whatever it is asked."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines

    def log2_probabilities(self, documents: Sequence[Any], task: Task) -> list[Any]:
        raise NotImplementedError

    def complete(self, prompts: Sequence[list[int]], limit: int, stops: frozenset[int], task: Task) -> list[list[int]]:
        task.advance(len(prompts))
        return [small()[1].encode(line) for line in self.lines]


def asked() -> list[Question]:
    return list(questions_in(SPAN, TEXT, 8))


def answers(entries: dict[str, Entry]) -> dict[str, list[Any]]:
    settings = HiddenLines()
    prompts = Prompts(small()[1], 400, settings)
    return ask_all("lines", asked(), entries, prompts, judge_line, SilentProgress())


def test_who_writes_the_lines_gets_full_marks() -> None:
    right = [question.indentation[-1:] + question.expected + "\nand more" for question in asked()]
    given = answers({"model": Entry(Knows(right), "suffix_first")})
    scores = summarize(given["model"], asked())
    assert scores["exact_match"] == scores["edit_similarity"] == 1.0
    assert scores["n"] == 4


@pytest.mark.parametrize("order", ["left_to_right", "suffix_first", "prefix_first"])
def test_the_blank_has_to_come_first(order: Order) -> None:
    right = [question.indentation[-1:] + question.expected + "\n" for question in asked()]
    without = [question.expected + "\n" for question in asked()]
    given = answers({"with": Entry(Knows(right), order), "without": Entry(Knows(without), order)})
    assert [answer.exact for answer in given["with"]] == [True] * 4
    assert [answer.exact for answer in given["without"]] == [True, True, False, False]
    assert [answer.text for answer in given["with"]] == [question.expected for question in asked()]


@pytest.mark.parametrize(
    ("written", "expected", "taken_back", "exact", "similarity"),
    [
        ("return x", "return x", "", True, 1.0),
        ("return x  ", "return x", "", True, 1.0),
        (" return x", "return x", " ", True, 1.0),
        ("return x", "return x", " ", False, 1.0),
        (" return x", "return x", "", False, 8 / 9),
        ("\treturn x", "return x", "\t", True, 1.0),
        ("", "return x", "", False, 0.0),
        ("return y", "return x", "", False, 7 / 8),
    ],
)
def test_judging(written: str, expected: str, taken_back: str, exact: bool, similarity: float) -> None:
    answer = judge(written, expected, taken_back)
    assert answer.exact is exact
    assert answer.similarity == pytest.approx(similarity)


def test_scores_by_kind_add_up() -> None:
    half = [
        question.indentation[-1:] + question.expected if number % 2 else "wrong"
        for number, question in enumerate(asked())
    ]
    given = answers({"model": Entry(Knows(half), "prefix_first")})["model"]
    scores: dict[str, Any] = summarize(given, asked())
    assert scores["exact_match"] == 0.5
    assert scores["exact_match_95"][0] < 0.5 < scores["exact_match_95"][1]
    assert set(scores["by_kind"]) == {"import", "definition", "assignment", "return"}
    assert sum(kind["n"] for kind in scores["by_kind"].values()) == 4
    assert sum(kind["n"] * kind["exact_match"] for kind in scores["by_kind"].values()) == 2


def test_examples_are_the_same_whoever_is_right() -> None:
    right = answers(
        {"model": Entry(Knows([question.indentation[-1:] + question.expected for question in asked()]), "suffix_first")}
    )
    wrong = answers({"model": Entry(Knows(["nothing"] * 4), "suffix_first")})
    settings = HiddenLines(examples=3)
    one, other = examples(asked(), right, settings), examples(asked(), wrong, settings)
    assert [example["line"] for example in one] == [example["line"] for example in other]
    assert len(one) == 3
    shown: Any = one[0]
    assert shown["answers"]["model"]["exact"] is True
    assert shown["path"] == "a.py"
    assert shown["expected"] not in shown["before"].split("\n")[-1]


def test_questions_come_from_the_shards() -> None:
    _, vocabulary, shards = small()
    reader = ShardReader(shards / "heldout_files")
    found = read_questions(reader, vocabulary, HiddenLines(lines=20))
    assert len(found) == 20
    assert {question.document.id for question in found} <= {reader.document(n).id for n in range(reader.documents)}
    for question in found:
        assert hashlib.sha256(question.text.encode()).hexdigest() == question.document.id
