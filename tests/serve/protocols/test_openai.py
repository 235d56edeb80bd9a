"""The protocol over HTTP: the official client against a real server, and odd engines behind the application."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import openai
import pytest

from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel
from ownlm.serve.server import RunningServer
from tests.serve.scripted import ScriptedEngine

PROMPT = "def fib(n):\n"


@pytest.fixture
def official(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def test_a_whole_answer(official: openai.OpenAI) -> None:
    answer = official.completions.create(model="tiny", prompt=PROMPT, max_tokens=9, temperature=0)
    assert answer.object == "text_completion"
    assert answer.model == "tiny"
    assert answer.id.startswith("cmpl-")
    (choice,) = answer.choices
    assert choice.index == 0
    assert choice.finish_reason in ("length", "stop")
    assert choice.logprobs is None
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 9
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("suffix", [None, "    return a\n"])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("stop", [None, ["\n", "e"]])
def test_a_stream_joined_is_the_whole_answer(
    official: openai.OpenAI, suffix: str | None, seed: int, stop: list[str] | None
) -> None:
    asked = {"model": "tiny", "prompt": PROMPT, "max_tokens": 24, "n": 3, "seed": seed, "suffix": suffix, "stop": stop}
    whole = official.completions.create(**asked, logprobs=2)
    texts, finishes = ["", "", ""], [None, None, None]
    tokens: list[list[str]] = [[], [], []]
    for chunk in official.completions.create(**asked, logprobs=2, stream=True):
        (choice,) = chunk.choices
        assert finishes[choice.index] is None  # nothing comes after the end of a choice
        texts[choice.index] += choice.text
        tokens[choice.index] += choice.logprobs.tokens
        finishes[choice.index] = choice.finish_reason
    assert texts == [choice.text for choice in whole.choices]
    assert finishes == [choice.finish_reason for choice in whole.choices]
    assert tokens == [choice.logprobs.tokens for choice in whole.choices]
    assert len(set(texts)) > 1 or stop


def test_a_stream_tells_its_usage_if_asked(official: openai.OpenAI) -> None:
    chunks = list(
        official.completions.create(
            model="tiny", prompt=PROMPT, max_tokens=5, stream=True, stream_options={"include_usage": True}
        )
    )
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_is_server_sent_events(client: httpx.Client) -> None:
    answer = client.post("/v1/completions", json={"model": "tiny", "prompt": PROMPT, "max_tokens": 4, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.removesuffix("\n\n").split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event.removeprefix("data: "))["object"] == "text_completion" for event in events[:-1])


def test_choices_of_many_prompts(official: openai.OpenAI) -> None:
    answer = official.completions.create(model="tiny", prompt=["a", "b"], n=2, max_tokens=3, seed=1, logprobs=0)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    alone = official.completions.create(model="tiny", prompt="b", n=2, max_tokens=3, seed=1)
    assert [choice.text for choice in answer.choices[2:]] == [choice.text for choice in alone.choices]


def test_token_ids_are_a_prompt(official: openai.OpenAI, model: ServedModel) -> None:
    ids = [0, *model.vocabulary.encode(PROMPT)]
    asked = {"model": "tiny", "max_tokens": 6, "temperature": 0}
    by_ids = official.completions.create(prompt=ids, **asked)
    by_text = official.completions.create(prompt=PROMPT, **asked)
    assert by_ids.choices[0].text == by_text.choices[0].text
    assert by_ids.usage == by_text.usage


def test_log_probabilities_line_up(official: openai.OpenAI) -> None:
    answer = official.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=12, logprobs=3, seed=4, temperature=0.7
    )
    (choice,) = answer.choices
    logprobs = choice.logprobs
    assert logprobs is not None
    assert (
        len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == len(logprobs.text_offset)
    )
    full = PROMPT + choice.text
    for token, offset, logprob, top in zip(
        logprobs.tokens, logprobs.text_offset, logprobs.token_logprobs, logprobs.top_logprobs, strict=True
    ):
        if not token.startswith("bytes:"):
            assert full[offset : offset + len(token)] == token
        assert logprob <= 0
        assert 3 <= len(top) <= 4
        assert top[token] == pytest.approx(logprob)


def test_echo_gives_the_prompt_and_scores_it(official: openai.OpenAI) -> None:
    answer = official.completions.create(model="tiny", prompt=PROMPT, max_tokens=0, echo=True, logprobs=1)
    (choice,) = answer.choices
    assert choice.text == PROMPT
    assert choice.finish_reason == "length"
    assert "".join(choice.logprobs.tokens) == PROMPT
    assert choice.logprobs.text_offset[0] == 0
    assert all(logprob < 0 for logprob in choice.logprobs.token_logprobs)
    assert answer.usage.completion_tokens == 0
    more = official.completions.create(model="tiny", prompt=PROMPT, max_tokens=5, echo=True, temperature=0)
    without = official.completions.create(model="tiny", prompt=PROMPT, max_tokens=5, temperature=0)
    assert more.choices[0].text == PROMPT + without.choices[0].text


def test_echoed_scores_are_those_of_generating(official: openai.OpenAI) -> None:
    """The score of a generated token is its score when it is part of the prompt."""
    made = official.completions.create(model="tiny", prompt=PROMPT, max_tokens=1, temperature=0, logprobs=0)
    token = made.choices[0].logprobs
    again = official.completions.create(
        model="tiny", prompt=PROMPT + made.choices[0].text, max_tokens=0, echo=True, logprobs=0
    ).choices[0]
    if again.logprobs.tokens[-1] == token.tokens[0]:  # the text may be cut into tokens another way
        assert again.logprobs.token_logprobs[-1] == pytest.approx(token.token_logprobs[0], abs=1e-4)


def test_an_empty_suffix_is_none(official: openai.OpenAI) -> None:
    asked = {"model": "tiny", "prompt": PROMPT, "max_tokens": 5, "temperature": 0}
    with_empty = official.completions.create(suffix="", **asked)
    assert with_empty.choices[0].text == official.completions.create(**asked).choices[0].text


def test_the_layout_can_be_chosen(official: openai.OpenAI) -> None:
    texts = {
        official.completions.create(
            model="tiny", prompt=PROMPT, suffix="x", max_tokens=8, temperature=0, extra_body={"fim_order": order}
        )
        .choices[0]
        .text
        for order in ("suffix_first", "prefix_first")
    }
    assert len(texts) == 2


def test_a_long_prompt_is_cut_and_counted(client: httpx.Client) -> None:
    body = {"model": "tiny", "prompt": "x = 1\n" * 5000, "max_tokens": 5, "temperature": 0}
    before = client.get("/metrics").text
    answer = client.post("/v1/completions", json=body).json()
    assert answer["usage"]["prompt_tokens"] <= 256 - 5
    assert "ownlm_cut_prompts_total" in before
    assert client.get("/metrics").text != before


def test_models(official: openai.OpenAI) -> None:
    assert [model.id for model in official.models.list()] == ["tiny"]
    assert official.models.retrieve("tiny").owned_by == "ownlm"
    with pytest.raises(openai.NotFoundError):
        official.models.retrieve("other")


def test_the_official_clients_errors(official: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        official.completions.create(model="gpt", prompt="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        official.completions.create(model="tiny", prompt="x", temperature=9)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.BadRequestError, match="context"):
        official.completions.create(model="tiny", prompt=[200] * 300)
    with pytest.raises(openai.BadRequestError, match="from 0 to"):
        official.completions.create(model="tiny", prompt=[100_000])
    with pytest.raises(openai.BadRequestError, match="n must be"):
        official.completions.create(model="tiny", prompt="x", n=50)
    with pytest.raises(openai.BadRequestError, match="prompts"):
        official.completions.create(model="tiny", prompt=["x"] * 50)


# ---- engines that do as they are told --------------------------------------------------------------------------------


@pytest.fixture
def engine(scripted: ServedModel) -> ScriptedEngine:
    assert isinstance(scripted.engine, ScriptedEngine)
    return scripted.engine


def post(model: ServedModel, config: ServeConfig | None = None, **body: object) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = app_for(model, config or ServeConfig())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post("/v1/completions", json={"model": "tiny", "prompt": "x", **body})

    return asyncio.run(ask())


def pieces(answer: httpx.Response) -> list[str]:
    events = [event.removeprefix("data: ") for event in answer.text.split("\n\n")]
    return [json.loads(event)["choices"][0]["text"] for event in events if event.startswith("{")]


def test_a_stop_string_across_tokens_ends_the_generation(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.say_bytes(b"return a + b\n\ndef other():")
    answer = post(scripted, stop=["\n\ndef"], max_tokens=60)
    (choice,) = answer.json()["choices"]
    assert choice["text"] == "return a + b"
    assert choice["finish_reason"] == "stop"
    assert engine.steps == len(b"return a + b\n\ndef")  # not a token more
    assert answer.json()["usage"]["completion_tokens"] == engine.steps


def test_streams_hold_back_what_may_be_a_stop_string(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.say_bytes(b"a\n\nb\n\ndef")
    answer = post(scripted, stop="\n\ndef", max_tokens=60, stream=True)
    assert "".join(pieces(answer)) == "a\n\nb"
    assert not any(piece.endswith("\n") for piece in pieces(answer)[:-1] if piece != "\n\nb")


def test_streams_hold_back_half_characters(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.say_bytes("größe 日".encode())
    assert [piece for piece in pieces(post(scripted, stream=True, max_tokens=60)) if piece] == list("größe 日")
    engine.say_bytes("a日".encode())
    answer = post(scripted, max_tokens=3).json()["choices"][0]  # ends inside the character
    assert (answer["text"], answer["finish_reason"]) == ("a", "length")


def test_tokens_of_half_characters_are_shown_as_bytes(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.say_bytes("a日b".encode())
    logprobs = post(scripted, max_tokens=60, logprobs=1).json()["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["a", "bytes:\\xe6", "bytes:\\x97", "bytes:\\xa5", "b"]
    assert logprobs["text_offset"] == [1, 2, 2, 2, 3]  # the prompt is one character long


def test_tokens_after_a_stop_string_are_not_shown(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.say_bytes(b"ab\n\ncd")
    logprobs = post(scripted, max_tokens=60, logprobs=0, stop="\n\n").json()["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["a", "b"]
    assert logprobs["top_logprobs"] == [{"a": -0.5}, {"b": -0.5}]


def test_special_tokens_never_become_text(scripted: ServedModel, engine: ScriptedEngine) -> None:
    for special in (0, 1, 5, 20, 127):
        engine.ids = [*scripted.vocabulary.encode("ab"), special, *scripted.vocabulary.encode("cd")]
        (choice,) = post(scripted, max_tokens=60).json()["choices"]
        assert (choice["text"], choice["finish_reason"]) == ("ab", "stop")


def test_what_is_asked_reaches_the_engine(scripted: ServedModel, engine: ScriptedEngine) -> None:
    post(scripted, temperature=0.3, top_p=0.8, top_k=7, seed=9, n=2, max_tokens=5, logprobs=4)
    (request,) = engine.requests
    assert (request.temperature, request.top_p, request.top_k, request.seed) == (0.3, 0.8, 7, 9)
    assert (request.choices, request.max_tokens, request.top_logprobs) == (2, 5, 4)
    post(scripted)
    default = engine.requests[1]
    assert (default.temperature, default.top_p, default.top_k, default.seed) == (1.0, 1.0, 0, None)
    assert (default.choices, default.max_tokens, default.top_logprobs) == (1, 64, None)
    post(scripted, ServeConfig(max_tokens=10), max_tokens=500)
    assert engine.requests[2].max_tokens == 10


def test_an_internal_error_says_nothing_but_a_number(
    scripted: ServedModel, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.error = RuntimeError("boom at my_secret_code")
    with caplog.at_level(logging.DEBUG):
        answer = post(scripted, prompt="my_secret_code")
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["type"] == "server_error"
    number = error["message"].split()[2].rstrip(".")
    assert number in caplog.text
    assert "RuntimeError" in caplog.text
    assert "scripted.py" in caplog.text  # where it happened
    assert "my_secret_code" not in caplog.text + answer.text
    assert "Traceback" not in answer.text


def test_an_internal_error_in_a_stream_is_an_event(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.error = RuntimeError("boom")
    answer = post(scripted, stream=True)
    assert answer.status_code == 200
    last = answer.text.removesuffix("\n\n").split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "internal_error"
    assert "boom" not in answer.text
    assert "[DONE]" not in answer.text


def test_a_full_queue_is_429_and_says_when_to_come_back(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.gate = threading.Event()

    async def crowd() -> list[httpx.Response]:
        app = app_for(scripted, ServeConfig(parallel=1, queue=2))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            body = {"model": "tiny", "prompt": "x"}
            asked = [asyncio.create_task(client.post("/v1/completions", json=body)) for _ in range(5)]
            while sum(task.done() for task in asked) < 2:
                await asyncio.sleep(0.01)
            counted = (await client.get("/metrics")).text
            assert "ownlm_jobs_running 1.0" in counted
            assert "ownlm_jobs_waiting 2.0" in counted
            assert engine.gate is not None
            engine.gate.set()
            return await asyncio.gather(*asked)

    answers = asyncio.run(crowd())
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "server_busy"


def test_a_suffix_is_refused_by_a_model_that_cannot_use_it(scripted: ServedModel) -> None:
    answer = post(replace(scripted, fill_in_the_middle=False), suffix="y")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "suffix")


def test_choices_share_a_context_that_is_too_short(scripted: ServedModel, engine: ScriptedEngine) -> None:
    short = replace(scripted, context=16)
    post(short, prompt="x = 1\n" * 100, max_tokens=100)
    (request,) = engine.requests
    assert len(request.prompt) + request.max_tokens <= 16
    assert request.max_tokens >= 8
