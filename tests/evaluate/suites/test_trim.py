"""What counts of an answer: properties that hold for every text, and the faults other harnesses are known for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.python_code import STOPS, without_trailing_comments
from ownlm.evaluate.suites.trim import cut, declaration_of, trim
from tests.evaluate.suites.formats import PROMPT, SOLUTION

DECLARATION = "def twice(values: List[int]) -> List[int]:"
# Texts that come near stops, fences and the prompt's own lines far more often than chance would.
PIECES = st.sampled_from(
    [
        *(
            "\n",
            " ",
            "    ",
            "x",
            "def f",
            "\ndef g():",
            "\nclass",
            "# c",
            "\n#",
            "```",
            "\n```python\n",
            "}",
            "\n}",
            "|",
        ),
        *("return 1\n", PROMPT, DECLARATION, DECLARATION + "\n", "from typing import List\n", "é", "    '''\n"),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
STOP_LISTS = st.lists(st.sampled_from(["\n}", "\ndef", "\n#", "|", "x", "\n\n", "", *STOPS]), max_size=4).map(tuple)


def problem(stops: tuple[str, ...] = STOPS, prompt: str = PROMPT, declaration: str = DECLARATION) -> Problem:
    return Problem("p", "python", prompt, stops=stops, fields={"declaration": declaration})


def slow_cut(text: str, stops: tuple[str, ...]) -> str:
    """A character at a time."""
    for end in range(len(text)):
        if any(stop and text.startswith(stop, end) for stop in stops):
            return text[:end]
    return text


@given(TEXTS, STOP_LISTS)
def test_cut_is_what_a_slow_reader_does(text: str, stops: tuple[str, ...]) -> None:
    assert cut(text, stops) == slow_cut(text, stops)


@given(TEXTS, STOP_LISTS)
def test_a_trimmed_answer_stays_as_it_is_and_holds_no_stop(text: str, stops: tuple[str, ...]) -> None:
    asked = problem(stops)
    trimmed = trim(asked, text)
    assert trim(asked, trimmed) == trimmed
    assert not any(stop in trimmed for stop in stops if stop)
    assert trimmed in text


@given(st.text(alphabet="ab |}\n#", max_size=40), STOP_LISTS)
def test_nothing_before_the_first_stop_is_lost(text: str, stops: tuple[str, ...]) -> None:
    """Where the answer repeats nothing of the prompt: and so an answer without a stop is kept whole."""
    assert trim(problem(stops), text) == slow_cut(text, stops)


@given(TEXTS)
def test_comments_end_an_answer_only_where_the_body_does_not_go_on(text: str) -> None:
    kept = without_trailing_comments(text)
    assert text.startswith(kept)
    assert without_trailing_comments(kept) == kept
    assert kept == text or text[len(kept) :].startswith("\n#")


@given(TEXTS)
def test_an_answer_that_begins_with_the_prompt_counts_without_it(text: str) -> None:
    asked = problem(())
    assert trim(asked, PROMPT + "    pass\n" + text) == trim(asked, "    pass\n" + text)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("    return 1\n", "    return 1\n"),
        ("    return 1", "    return 1"),
        ("", ""),
        ("    return 1\n\ndef other():\n    pass\n", "    return 1\n"),
        ("    x = 1\nclass A:\n    pass\n", "    x = 1"),
        ("    x = 1\n@cache\ndef other():\n    pass\n", "    x = 1"),
        ("    return 1\nif __name__ == '__main__':\n    pass", "    return 1"),
        ("    return 1\n```\nThis function", "    return 1"),
        ("    return a | b\n", "    return a | b\n"),
        ("    x = 1\n# the rest\n    return x\n", "    x = 1\n# the rest\n    return x\n"),
        ("    x = 1\n#a\n\n  # b\n    return x\n", "    x = 1\n#a\n\n  # b\n    return x\n"),
        ("    return 1\n# Test\nassert twice([1]) == 3\n", "    return 1"),
        ("    return 1\n\n\n# Test", "    return 1\n\n"),
        ("    classes = 1\n    define = 2\n", "    classes = 1\n    define = 2\n"),
    ],
)
def test_a_python_body_ends_where_it_ends(answer: str, kept: str) -> None:
    assert trim(problem(), answer, without_trailing_comments) == kept


WHOLE = f"{DECLARATION}\n{SOLUTION}"


@pytest.mark.parametrize(
    "answer",
    [
        SOLUTION,
        PROMPT + SOLUTION,
        PROMPT.lstrip("\n") + SOLUTION,
        "\n\n" + PROMPT + SOLUTION,
        WHOLE,
        "from typing import List\n\n\n" + WHOLE,
        f"```python\n{PROMPT}{SOLUTION}```\nIt doubles every value.",
        f"```\n{WHOLE}```",
        f"Here is the function:\n\n```python\n{WHOLE}```\nEnjoy!",
        f"```python\n{SOLUTION}```",
    ],
)
def test_a_chat_like_answer_does_not_define_the_function_twice(answer: str) -> None:
    kept = trim(problem(), answer)
    assert kept == SOLUTION
    assert (PROMPT + kept).count(DECLARATION) == 1


def test_a_head_with_another_docstring_keeps_it_in_the_body() -> None:
    own = f'{DECLARATION}\n    """Twice."""\n{SOLUTION}'
    assert trim(problem(), own) == f'    """Twice."""\n{SOLUTION}'


@pytest.mark.parametrize(
    "answer",
    [
        "import math\n" + WHOLE,  # the import is no line of the prompt: it must not be lost
        "    def inner():\n        return 1\n    return inner()\n",
        f"    x = 1\n{WHOLE}",
        "Here is the function:\n    return 1\n",
    ],
)
def test_what_is_not_certain_is_left_alone(answer: str) -> None:
    assert trim(problem(()), answer) == answer


def test_space_at_the_end_of_a_prompt_is_not_written_twice() -> None:
    asked = problem((), PROMPT + "    return ")
    assert trim(asked, PROMPT + "    return values") == "values"
    assert trim(asked, PROMPT + "    return  values") == " values"


def test_declarations_are_found() -> None:
    assert declaration_of(PROMPT, "def twice(") == DECLARATION
    assert declaration_of("def twice(x): return 1\n", "def twice(") == ""
    assert declaration_of(PROMPT, "def other(") == ""
    assert declaration_of("// Twice\nlong twice(long x) {\n\n") == "long twice(long x) {"
    assert declaration_of("int f() {\n  /*\n  */\n") == ""
    assert declaration_of("") == ""
