"""Mistral's fill-in-the-middle: its official client against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ownlm.serve.model import ServedModel
from ownlm.serve.server import RunningServer
from tests.serve.protocols import recorded
from tests.serve.protocols.asking import ask, asked_of, engine_of, events, prompt_text

mistral = pytest.importorskip("mistralai.client", reason="the package mistralai is not installed")

FIM = "/v1/fim/completions"
ASKED = {"model": "tiny", "prompt": "def area(radius):\n    return ", "suffix": "\n\nprint(area(2))\n"}


@pytest.fixture(scope="module")
def official(server: RunningServer) -> Iterator[Any]:
    with mistral.Mistral(api_key="none", server_url=server.url, timeout_ms=20_000) as client:
        yield client


def test_the_official_clients_whole_answer(official: Any) -> None:
    answer = official.fim.complete(**ASKED, max_tokens=9, temperature=0.5, random_seed=3, stop=["\n\n\n"])
    assert answer.model == "tiny"
    (choice,) = answer.choices
    assert isinstance(choice.message.content, str)
    assert choice.message.role == "assistant"
    assert choice.finish_reason in ("length", "stop")
    assert 0 < answer.usage.completion_tokens <= 9
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_official_clients_stream_is_the_whole_answer(official: Any, seed: int) -> None:
    asked = {**ASKED, "max_tokens": 16, "temperature": 1.0, "random_seed": seed}
    whole = official.fim.complete(**asked)
    chunks = [event.data for event in official.fim.stream(**asked)]
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_official_clients_errors(official: Any) -> None:
    errors = mistral.errors
    with pytest.raises(errors.HTTPValidationError) as bad:
        official.fim.complete(**ASKED, temperature=9.0)
    assert bad.value.data.detail[0].loc == ["body", "temperature"]
    with pytest.raises(errors.SDKError) as missing:
        official.fim.complete(model="codestral-latest", prompt="x")
    assert missing.value.status_code == 404
    assert json.loads(missing.value.body)["object"] == "error"


def test_what_is_asked_reaches_the_engine(scripted: ServedModel) -> None:
    more = {"min_tokens": 3, "metadata": {"a": 1}, "prompt_cache_key": "k", "top_p": 0.7, "random_seed": 4, "stop": "z"}
    answer = ask(scripted, "POST", FIM, json={**ASKED, **more})
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    request = asked_of(scripted)
    assert (request.temperature, request.top_p, request.seed, request.max_tokens) == (0.1, 0.7, 4, 64)
    text = prompt_text(scripted)
    assert text.index("print(area(2))") < text.index("def area(radius):")  # suffix first


def test_no_suffix_is_plain_completion(scripted: ServedModel) -> None:
    for body in ({"model": "tiny", "prompt": "x ="}, {"model": "tiny", "prompt": "x =", "suffix": None}):
        assert ask(scripted, "POST", FIM, json=body).status_code == 200
        assert "<|fim_suffix|>" not in prompt_text(scripted)


def test_a_stream_ends_with_what_it_cost(scripted: ServedModel) -> None:
    engine_of(scripted).say("a + b")
    shown = events(ask(scripted, "POST", FIM, json={**ASKED, "stream": True}))
    assert shown[-1] == "[DONE]"
    chunks = [json.loads(event) for event in shown[:-1]]
    assert ["usage" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_continue_gets_its_pieces_though_it_sends_ten_stop_strings(scripted: ServedModel) -> None:
    engine_of(scripted).say("radius /src/ more")
    shown = events(ask(scripted, "POST", FIM, json=recorded.continue_fim()))
    assert shown[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0]["delta"]["content"] for event in shown[:-1]]
    assert "".join(pieces).rstrip() == "radius"
