from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.protocols.openai_request import CompletionRequest, parse_completion

GOOD = {"model": "tiny", "prompt": "def f("}

REFUSED = [
    (b"", None, "JSON"),
    (b"{", None, "JSON"),
    (b"nonsense", None, "JSON"),
    (b"\xff\xfe", None, "JSON"),
    (b'{"prompt": "\\ud800", "model": "m"}', None, "JSON"),
    (b"[]", None, "object"),
    (b'"text"', None, "object"),
    (b"null", None, "object"),
    ({"prompt": "x"}, "model", "missing"),
    ({"model": "tiny"}, "prompt", "missing"),
    (GOOD | {"prompt": 3}, "prompt", "must be a text"),
    (GOOD | {"prompt": None}, "prompt", "must be a text"),
    (GOOD | {"prompt": ["a", 1]}, "prompt", "must be a text"),
    (GOOD | {"prompt": [1, -1]}, "prompt", "must be a text"),
    (GOOD | {"prompt": ""}, "prompt", "empty"),
    (GOOD | {"prompt": []}, "prompt", "empty"),
    (GOOD | {"prompt": [[]]}, "prompt", "empty"),
    (GOOD | {"prompt": ["a", ""]}, "prompt", "empty"),
    (GOOD | {"model": 7}, "model", "string"),
    (GOOD | {"max_tokens": "10"}, "max_tokens", "integer"),
    (GOOD | {"max_tokens": 1.5}, "max_tokens", "integer"),
    (GOOD | {"max_tokens": True}, "max_tokens", "integer"),
    (GOOD | {"max_tokens": -1}, "max_tokens", "greater"),
    (GOOD | {"max_tokens": 0}, "max_tokens", "at least 1"),
    (GOOD | {"temperature": 2.1}, "temperature", "less"),
    (GOOD | {"temperature": -0.1}, "temperature", "greater"),
    (GOOD | {"top_p": 0}, "top_p", "greater"),
    (GOOD | {"n": 0}, "n", "greater"),
    (GOOD | {"stream": "yes"}, "stream", "boolean"),
    (GOOD | {"stream_options": {"include_usage": True}}, "stream_options", "stream"),
    (GOOD | {"stream": True, "stream_options": {"include_usge": True}}, "stream_options.include_usge", "include_usage"),
    (GOOD | {"logprobs": 21}, "logprobs", "less"),
    (GOOD | {"logprobs": True}, "logprobs", "integer"),
    (GOOD | {"stop": ["a"] * 5}, "stop", "at most 4"),
    (GOOD | {"stop": ""}, "stop", "empty"),
    (GOOD | {"stop": [1]}, "stop", "text"),
    (GOOD | {"seed": 2**63}, "seed", "less"),
    (GOOD | {"best_of": 3}, "best_of", "not supported"),
    (GOOD | {"presence_penalty": 0.5}, "presence_penalty", "not supported"),
    (GOOD | {"frequency_penalty": -1}, "frequency_penalty", "not supported"),
    (GOOD | {"logit_bias": {"50256": -100}}, "logit_bias", "not supported"),
    (GOOD | {"suffix": "x", "echo": True}, "echo", "suffix"),
    (GOOD | {"suffix": "x", "prompt": ["a"]}, "suffix", "one text"),
    (GOOD | {"max_token": 5}, "max_token", "Did you mean max_tokens?"),
    (GOOD | {"zzz": 5}, "zzz", "Unknown field"),
    (GOOD | {"trim": True, "echo": True}, "trim", "without echo"),
    (GOOD | {"trim": True, "prompt": ["a"]}, "trim", "one text"),
    (GOOD | {"trim": "yes"}, "trim", "boolean"),
    (GOOD | {"fim_order": "middle_first"}, "fim_order", "suffix_first"),
]


@pytest.mark.parametrize(("body", "param", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_requests_are_refused_with_a_reason(body: bytes | dict, param: str | None, words: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError) as caught:
        parse_completion(raw)
    assert caught.value.status == 400
    assert caught.value.param == param
    assert words in caught.value.message
    assert caught.value.message.endswith((".", "?"))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"n": 2, "best_of": 2},
        {"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "user": "u"},
        {"temperature": 0, "top_p": 1, "seed": -5, "logprobs": 0},
        {"stop": "a"},
        {"stop": ["a", "b", "c", "d"]},
        {"suffix": "x", "fim_order": "prefix_first", "top_k": 5},
        {"suffix": "x", "trim": True, "logprobs": 1},
        {"echo": True, "max_tokens": 0},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"max_tokens": None, "temperature": None, "stop": None, "n": None, "stream": None, "suffix": None},
    ],
    ids=str,
)
def test_good_requests_are_taken(more: dict) -> None:
    parse_completion(json.dumps(GOOD | more).encode())


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [(1, 2)]), ([[1], [2, 3]], [(1,), (2, 3)])],
)
def test_the_four_kinds_of_prompt(prompt: object, expected: list) -> None:
    assert parse_completion(json.dumps(GOOD | {"prompt": prompt}).encode()).prompts() == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_an_api_error(body: bytes) -> None:
    with pytest.raises(ApiError):
        parse_completion(body)


values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
nested = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@given(st.sampled_from(sorted(CompletionRequest.model_fields)), nested)
def test_any_value_of_any_field_is_taken_or_an_api_error(name: str, value: object) -> None:
    with contextlib.suppress(ApiError):
        parse_completion(json.dumps(GOOD | {name: value}).encode()).prompts()


def test_a_refusal_never_quotes_the_body() -> None:
    secret = "my_secret_code"
    for body in (
        GOOD | {"prompt": {"x": secret}},
        GOOD | {"stop": [secret] * 9},
        GOOD | {"temperature": secret},
        GOOD | {"max_tokens": secret},
        GOOD | {"fim_order": secret},
    ):
        with pytest.raises(ApiError) as caught:
            parse_completion(json.dumps(body).encode())
        assert secret not in caught.value.message


def test_deep_nesting_is_an_api_error() -> None:
    with pytest.raises(ApiError):
        parse_completion(b'{"prompt": ' + b"[" * 100_000)
