from __future__ import annotations

import hashlib
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.evaluate.company.config import HiddenLines, Order
from ownlm.evaluate.company.lines import questions_in
from ownlm.evaluate.company.prompts import Prompts
from ownlm.evaluate.company.question import Question
from ownlm.tokens.shards.reader import DocumentSpan
from tests.tokens.corpora import program, small

SPAN = DocumentSpan(0, hashlib.sha256(b"").hexdigest(), "test", "repo", "a.py", "Python", 0, 1, 0)


def questions(text: str) -> list[Question]:
    return list(questions_in(SPAN, text, 4))


def prompts(context: int, **overrides: object) -> Prompts:
    return Prompts(small()[1], context, HiddenLines(**overrides))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 50), context=st.integers(32, 400), order=st.sampled_from(get_args(Order)))
def test_a_prompt_and_its_answer_fit_the_context(seed: int, context: int, order: Order) -> None:
    builder = prompts(context)
    for prompt in builder.build(questions(program(seed)), order):
        assert 0 < len(prompt.ids) <= context - builder.limit


@pytest.mark.parametrize("order", ["suffix_first", "prefix_first"])
def test_layouts_are_those_of_training(order: Order) -> None:
    vocabulary, special = small()[1], small()[1].special
    question = questions("def value(item):\n    return item\nx = value(3)\n")[1]
    prompt = prompts(400).build([question], order)[0]
    ids = prompt.ids
    assert question.before.endswith("    ")
    assert prompt.taken_back == " "
    prefix, suffix = vocabulary.encode(question.before[:-1]), vocabulary.encode(question.after)
    first = [special.fim_prefix, special.fim_suffix, *suffix, special.fim_middle, *prefix]
    other = [special.fim_prefix, *prefix, special.fim_suffix, *suffix, special.fim_middle]
    assert ids == (first if order == "suffix_first" else other)


def test_a_long_file_gives_what_is_near_the_line() -> None:
    vocabulary = small()[1]
    asked = questions(program(3, functions=30))
    question = asked[len(asked) // 2]
    builder = prompts(96, suffix_share=0.25)
    room = 96 - builder.limit - 4
    ids = builder.build([question], "prefix_first")[0].ids
    middle = ids.index(vocabulary.special.fim_suffix)
    prefix, suffix = ids[1:middle], ids[middle + 1 : -1]
    assert len(prefix) + len(suffix) == room
    assert len(suffix) == int(room * 0.25)
    assert question.before.endswith(vocabulary.decode(prefix))
    assert question.after.startswith(vocabulary.decode(suffix))


def test_room_that_one_side_leaves_goes_to_the_other() -> None:
    text = "first_value = 1\n" + "".join(f"value_{number} = {number}\n" for number in range(200))
    builder = prompts(96)
    ids = builder.build([questions(text)[0]], "suffix_first")[0].ids
    assert len(ids) == 96 - builder.limit - 4 + 3


def test_left_to_right_takes_the_last_blank_back() -> None:
    vocabulary = small()[1]
    question = questions("def value(item):\n    return item\n")[1]
    prompt = prompts(200).build([question], "left_to_right")[0]
    assert prompt.taken_back == " "
    assert prompt.ids == [0, *vocabulary.encode("def value(item):\n   ")]
    # What the prompt and the answer are in the training text: the same tokens.
    assert [*prompt.ids[1:], *vocabulary.encode(" return item\n")] == vocabulary.encode(question.text)


def test_left_to_right_without_indentation_ends_at_the_cursor() -> None:
    question = questions("first = 1\nsecond = 2\n")[1]
    prompt = prompts(200).build([question], "left_to_right")[0]
    assert prompt.taken_back == ""
    assert prompt.ids == [0, *small()[1].encode("first = 1\n")]


def test_a_cut_text_does_not_pretend_to_open_the_document() -> None:
    question = questions(program(1, functions=40))[-1]
    assert prompts(64).build([question], "left_to_right")[0].ids[0] != 0


def test_a_line_ends_at_the_line_end_or_a_special_token() -> None:
    vocabulary, builder = small()[1], prompts(200)
    assert builder.written(vocabulary.encode("return x\nnext")) == "return x"
    assert builder.written(vocabulary.encode("return x\r\nnext")) == "return x"
    assert builder.written([*vocabulary.encode("return"), 0, *vocabulary.encode(" y")]) == "return"
    assert builder.written([]) == ""
    half = vocabulary.encode("é")[:1]
    assert builder.written(half) in ("é", "�")


def test_every_token_that_ends_a_line_stops() -> None:
    vocabulary, builder = small()[1], prompts(200)
    assert set(range(vocabulary.special.count)) <= builder.stops
    assert vocabulary.encode("\n")[0] in builder.stops
    assert vocabulary.encode("x")[0] not in builder.stops


def test_several_lines_end_at_a_special_token_and_may_fill_half_the_context() -> None:
    vocabulary = small()[1]
    builder = Prompts(vocabulary, 200, HiddenLines(max_tokens=500), one_line=False)
    ids = [*vocabulary.encode("x = 1\n    return x\n"), 0, *vocabulary.encode("y")]
    assert builder.written(ids) == "x = 1\n    return x\n"
    assert builder.stops == frozenset(range(vocabulary.special.count))
    assert builder.limit == 100
