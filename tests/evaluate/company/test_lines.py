from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.evaluate.company.config import HiddenLines
from ownlm.evaluate.company.lines import choose_questions, kind_of, questions_in, worth_asking
from ownlm.tokens.shards.reader import DocumentSpan

CODE = """import os
# a comment that is long enough

class Reader:
    def read(self, path):
        with open(path) as stream:
            data = stream.read()
        return data.strip()
)]}
"""


def span(name: str = "a", language: str = "Python") -> DocumentSpan:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return DocumentSpan(0, digest, "test", "repo", f"{name}.py", language, 0, 1, 0)


def test_asks_what_is_worth_asking() -> None:
    asked = [question.expected for question in questions_in(span(), CODE, 8)]
    assert asked == [
        "import os",
        "class Reader:",
        "def read(self, path):",
        "with open(path) as stream:",
        "data = stream.read()",
        "return data.strip()",
    ]


def test_a_question_is_the_file_in_three() -> None:
    question = list(questions_in(span(), CODE, 8))[-1]
    assert question.before.endswith("stream.read()\n        ")
    assert question.indentation == " " * 8
    assert question.after == "\n)]}\n"
    assert question.number == 8
    assert question.kind == "return"


@given(text=st.text(st.sampled_from("ab #(\t\r\n=é"), max_size=200), least=st.integers(1, 9))
def test_three_parts_make_the_file(text: str, least: int) -> None:
    for question in questions_in(span(), text, least):
        line = text.split("\n")[question.number - 1]
        hidden = question.text[question.start : question.stop]
        assert question.before + hidden + question.after == text
        assert question.expected == hidden.rstrip() == line.strip()
        assert question.indentation + hidden == line.removesuffix("\r")
        assert question.after.startswith(("\n", "\r\n"))
        assert len(question.expected) >= least


@pytest.mark.parametrize(
    ("line", "language", "asked"),
    [
        ("# comment here", "Python", False),
        ("#include <stdio.h>", "C", True),
        ("// comment here", "C", False),
        ("* a line of a block", "Java", False),
        ("-- comment here", "Lua", False),
        ("-- x = decrement", "C", True),
        ("})]);;;;;;", "JavaScript", False),
        ("x = 1", "Python", False),
        ("x = 1000", "Python", True),
    ],
)
def test_comments_are_the_languages_own(line: str, language: str, asked: bool) -> None:
    assert worth_asking(line, language, 8) is asked


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("from os import path", "import"),
        ("#include <stdio.h>", "import"),
        ("async def f():", "definition"),
        ("type(x).__name__", "call"),
        ("return x == 1", "return"),
        ("raise ValueError", "return"),
        ("elif x:", "control"),
        ("x = f(1)", "assignment"),
        ("x.y += 1", "assignment"),
        ("self.assertEqual(a, b=1)", "call"),
        ("if_x(3)", "call"),
        ('"text": 3,', "other"),
        ("x == y", "other"),
    ],
)
def test_kinds(line: str, kind: str) -> None:
    assert kind_of(line) == kind


def test_every_file_gives_one_line_before_any_gives_two() -> None:
    files = [(span(name), CODE) for name in "abcde"]
    settings = HiddenLines(lines=7)
    chosen = choose_questions(files, settings)
    names = [question.document.path for question in chosen]
    assert len(chosen) == 7
    assert len(set(names[:5])) == 5
    assert len({(question.document.id, question.number) for question in chosen}) == 7


def test_the_choice_depends_on_the_seed_only() -> None:
    files = [(span(name), CODE) for name in "abcde"]
    places = [(question.document.path, question.number) for question in choose_questions(files, HiddenLines(lines=9))]
    again = choose_questions(files[::-1], HiddenLines(lines=9))
    other = choose_questions(files, HiddenLines(lines=9, seed=1))
    assert places == [(question.document.path, question.number) for question in again]
    assert places != [(question.document.path, question.number) for question in other]


def test_fewer_lines_than_wanted_is_all_of_them() -> None:
    assert len(choose_questions([(span(), CODE)], HiddenLines(lines=100))) == 6
    assert choose_questions([(span(), "")], HiddenLines()) == []
