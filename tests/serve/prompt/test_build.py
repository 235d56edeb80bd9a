"""Prompts: golden layouts, and cutting against what must hold for any text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import InputError
from ownlm.serve.prompt.build import PromptBuilder, PromptTooLongError
from ownlm.serve.prompt.cut import keep_end, keep_start
from ownlm.tokens.vocabulary.load import Vocabulary

GOLDEN = Path(__file__).with_name("prompts.json")
code = st.text(alphabet="def x():\n  ö日\t<|fim_prefix|>", max_size=400)


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text(encoding="utf-8")), ids=lambda case: case["what"])
def test_golden_prompts(vocabulary: Vocabulary, case: dict) -> None:
    builder = PromptBuilder(vocabulary, case["context"])
    prompt = builder.text(case["prefix"], case["suffix"], case["max_tokens"], case["order"])
    assert vocabulary.decode(prompt.ids) == case["prompt"]
    assert prompt.cut == case["cut"]


def test_special_text_of_a_person_is_text(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 256)
    prompt = builder.text("a <|fim_prefix|> b", "<|end_of_text|>", 8, "prefix_first")
    special = [number for number in prompt.ids if number < vocabulary.special.count]
    assert special == [1, 2, 3]  # the three the layout puts, no others


@given(code, st.none() | code, st.integers(1, 300), st.sampled_from(["prefix_first", "suffix_first"]))
@settings(max_examples=200, deadline=None)
def test_prompt_and_answer_fit_the_context(
    vocabulary: Vocabulary, prefix: str, suffix: str | None, max_tokens: int, order: str
) -> None:
    context = 64
    prompt = PromptBuilder(vocabulary, context).text(prefix, suffix, max_tokens, order)  # type: ignore[arg-type]
    assert len(prompt.ids) >= 1
    assert 1 <= prompt.max_tokens <= max_tokens
    assert len(prompt.ids) + prompt.max_tokens <= context
    assert prompt.max_tokens >= min(max_tokens, context // 2)
    if not prompt.cut:
        texts = [number for number in prompt.ids if number >= vocabulary.special.count]
        before = vocabulary.encode(prefix.removesuffix(prompt.taken_back))
        after = vocabulary.encode(suffix or "")
        assert texts == (after + before if order == "suffix_first" else before + after)


@pytest.mark.parametrize("suffix", [None, "\n"])
@pytest.mark.parametrize(
    ("prefix", "blank"), [("def f():\n    ", " "), ("\treturn ", " "), ("if x:\n\t", "\t"), ("x", ""), ("x\n", "")]
)
def test_a_blank_at_the_cursor_is_left_to_the_answer(
    vocabulary: Vocabulary, prefix: str, blank: str, suffix: str | None
) -> None:
    builder = PromptBuilder(vocabulary, 64)
    prompt = builder.text(prefix, suffix, 8, "suffix_first")
    assert prompt.taken_back == blank
    assert prompt.length == len(prefix)
    assert prompt.ids == builder.text(prefix.removesuffix(blank), suffix, 8, "suffix_first", take_back=False).ids
    kept = builder.text(prefix, suffix, 8, "suffix_first", take_back=False)
    assert kept.taken_back == ""


@given(code, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_the_kept_end_is_an_end(vocabulary: Vocabulary, text: str, limit: int) -> None:
    ids, cut = keep_end(text, limit, vocabulary)
    assert len(ids) <= limit
    kept = vocabulary.decode_bytes(ids)
    assert text.encode().endswith(kept)
    assert cut == (kept != text.encode())


@given(code, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_the_kept_start_is_a_start(vocabulary: Vocabulary, text: str, limit: int) -> None:
    ids, cut = keep_start(text, limit, vocabulary)
    assert len(ids) <= limit
    kept = vocabulary.decode_bytes(ids)
    assert text.encode().startswith(kept)
    assert cut == (kept != text.encode())


def test_long_texts_are_cut_at_lines(vocabulary: Vocabulary) -> None:
    lines = [f"value_{number} = {number}\n" for number in range(1000)]
    before, _ = keep_end("".join(lines), 50, vocabulary)
    after, _ = keep_start("".join(lines), 50, vocabulary)
    assert vocabulary.decode(before).splitlines(keepends=True)[0] in lines
    assert vocabulary.decode(after).splitlines(keepends=True)[-1] in lines
    assert min(len(before), len(after)) > 25  # and most of the room is used


def test_only_the_part_that_matters_is_encoded(vocabulary: Vocabulary, encoded: list[int]) -> None:
    PromptBuilder(vocabulary, 256).text("x = 1\n" * 500_000, "y = 2\n" * 500_000, 32, "suffix_first")
    assert 0 < sum(encoded) < 50_000


def test_a_short_prefix_leaves_its_room_to_the_suffix(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 128)
    prompt = builder.text("x", "y = 2\n" * 500, 32, "prefix_first")
    assert len(prompt.ids) > 80
    ids = list(prompt.ids)
    assert ids.index(vocabulary.special.fim_suffix) == 2


def test_token_ids_are_taken_as_they_are(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 16)
    prompt = builder.ids((1, 200, 2, 3), 100)
    assert (prompt.ids, prompt.max_tokens) == ((1, 200, 2, 3), 12)
    assert prompt.length == len(vocabulary.decode([1, 200, 2, 3]))
    with pytest.raises(PromptTooLongError, match="context is 16"):
        builder.ids(tuple(range(130, 146)), 1)
    with pytest.raises(ValueError, match="from 0 to"):
        builder.ids((vocabulary.size,), 1)


def test_a_lone_surrogate_is_an_error(vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError):
        PromptBuilder(vocabulary, 64).text("a\ud800", None, 8, "suffix_first")
