"""The engine in front of servers that speak OpenAI's completions: vLLM's form of it, our own gateway, text alone."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from ownlm.errors import EngineError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationStep
from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine
from ownlm.serve.engines.http import HttpEngine
from ownlm.serve.engines.open import open_engine
from ownlm.serve.server import running_server
from tests.serve.engines.exported import exported, prompts, request, steps_of, tokens_of, vocabulary
from tests.serve.engines.fake_vllm import KEY, MODEL, FakeVllm
from tests.serve.running import eventually, running_app


def config(url: str, **more: Any) -> ServeConfig:
    return ServeConfig(engine="http", engine_url=url, **more)


@pytest.fixture(scope="module")
def embedded() -> Ctranslate2Engine:
    return Ctranslate2Engine(exported() / "ctranslate2", ServeConfig(parallel=2))


@pytest.fixture
def vllm(embedded: Ctranslate2Engine) -> Iterator[tuple[FakeVllm, HttpEngine]]:
    fake = FakeVllm(embedded, vocabulary())
    with running_app(fake.app) as url, pytest.MonkeyPatch.context() as patched:
        patched.setenv("OWNLM_ENGINE_KEY", KEY)
        engine = open_engine(exported() / "ctranslate2", config(url))
        assert isinstance(engine, HttpEngine)
        yield fake, engine
        engine.close()


@pytest.fixture(scope="module")
def gateway() -> Iterator[HttpEngine]:
    with running_server(exported(), ServeConfig(port=0, parallel=2, feedback=None)) as running:
        engine = HttpEngine(exported() / "ctranslate2", config(running.url))
        yield engine
        engine.close()


def both(gateway: HttpEngine, vllm: tuple[FakeVllm, HttpEngine]) -> list[HttpEngine]:
    return [gateway, vllm[1]]


def test_greedy_tokens_are_the_embedded_engines(
    gateway: HttpEngine, vllm: tuple[FakeVllm, HttpEngine], embedded: Ctranslate2Engine
) -> None:
    for engine in both(gateway, vllm):
        for prompt in prompts():
            ours, theirs = (steps_of(one, request(prompt)) for one in (engine, embedded))
            assert [(step.token, step.finish) for step in ours] == [(step.token, step.finish) for step in theirs]


def test_scores_are_the_embedded_engines(
    gateway: HttpEngine, vllm: tuple[FakeVllm, HttpEngine], embedded: Ctranslate2Engine
) -> None:
    for engine in both(gateway, vllm):
        asked = request(prompts()[0], top_logprobs=3, stop_ids=frozenset(range(128)))
        for ours, theirs in zip(steps_of(engine, asked), steps_of(embedded, asked), strict=True):
            if ours.finish != "stop":
                assert ours.score == theirs.score


def test_choices_and_seeds_are_the_servers(
    gateway: HttpEngine, vllm: tuple[FakeVllm, HttpEngine], embedded: Ctranslate2Engine
) -> None:
    asked = request(prompts()[1], temperature=0.9, top_p=0.95, top_k=40, seed=11, choices=3)
    expected = tokens_of(embedded, asked)
    assert expected[0] != expected[1]
    for engine in both(gateway, vllm):
        assert tokens_of(engine, asked) == expected


def test_prompts_are_scored(vllm: tuple[FakeVllm, HttpEngine], embedded: Ctranslate2Engine) -> None:
    prompt = prompts()[0]
    assert vllm[1].score(prompt, 2) == embedded.score(prompt, 2)
    assert vllm[1].score(prompt[:1], 2) == []


def test_a_stop_token_is_named(vllm: tuple[FakeVllm, HttpEngine], embedded: Ctranslate2Engine) -> None:
    token = tokens_of(embedded, request(prompts()[1]))[0][4]
    asked = request(prompts()[1], stop_ids=frozenset({0, token}))
    last = steps_of(vllm[1], asked)[-1]
    assert (last.token, last.finish) == (token, "stop")
    assert vllm[0].asked[-1]["stop_token_ids"] == [0, token]


def test_cancelling_while_the_prompt_is_read_closes_the_connection(vllm: tuple[FakeVllm, HttpEngine]) -> None:
    fake, engine = vllm
    fake.hold.clear()
    seen: list[GenerationStep] = []
    left = threading.Event()
    thread = threading.Thread(
        target=engine.generate, args=(request(prompts()[0]), lambda step: bool(seen.append(step)), left.is_set)
    )
    thread.start()
    eventually(lambda: len(fake.asked) == 1)
    left.set()
    thread.join(10)
    assert not thread.is_alive()
    eventually(lambda: fake.ended == ["aborted"])
    fake.hold.set()
    assert seen == []


def test_a_reader_who_has_enough_ends_the_answer(vllm: tuple[FakeVllm, HttpEngine]) -> None:
    fake, engine = vllm
    seen: list[GenerationStep] = []
    engine.generate(request(prompts()[1], max_tokens=40), lambda step: seen.append(step) or len(seen) == 2)
    assert len(seen) == 2
    eventually(lambda: len(fake.ended) == 1)


def test_an_error_of_the_reader_is_raised_here(vllm: tuple[FakeVllm, HttpEngine]) -> None:
    def on_step(step: GenerationStep) -> bool:
        raise RuntimeError("the reader broke")

    with pytest.raises(RuntimeError, match="the reader broke"):
        vllm[1].generate(request(prompts()[1]), on_step)


def test_neither_key_nor_prompt_is_in_an_error(
    vllm: tuple[FakeVllm, HttpEngine], caplog: pytest.LogCaptureFixture
) -> None:
    fake, engine = vllm
    fake.failing = 1
    with caplog.at_level(logging.DEBUG), pytest.raises(EngineError) as raised:
        steps_of(engine, request([0, 200, 201]))
    assert "400 BadRequestError" in raised.value.what
    for text in (str(raised.value), repr(engine._remote), caplog.text):
        assert "200, 201" not in text
        assert KEY not in text


def test_a_wrong_key_is_said(vllm: tuple[FakeVllm, HttpEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "wrong")
    with pytest.raises(ServerError, match="refuses: 401") as raised:
        HttpEngine(exported() / "ctranslate2", config(vllm[1]._remote.url, engine_key_env="OTHER_KEY"))
    assert "serve.engine_key_env" in str(raised.value)


def test_a_model_that_is_not_there_is_said(vllm: tuple[FakeVllm, HttpEngine]) -> None:
    with pytest.raises(ServerError, match="has no model 'other'") as raised:
        HttpEngine(exported() / "ctranslate2", config(vllm[1]._remote.url, engine_model="other"))
    assert MODEL in str(raised.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://host", "http://", "http://user:word@host"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ServerError, match="address is missing or none"):
        HttpEngine(exported() / "ctranslate2", config(url))


class Flaky:
    """A server on a plain socket that does with each connection what it is told to."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers, self.connections = list(answers), 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for answer in self._answers:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection:
                if answer is not None:
                    connection.recv(65536)
                    connection.sendall(answer)
        self._listener.close()


MODELS = json.dumps({"data": [{"id": "m", "owned_by": "somebody"}]}).encode()
LISTED = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(MODELS), MODELS)
BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(text: str, finish: str | None = None) -> bytes:
    event = f"data: {json.dumps({'choices': [{'index': 0, 'text': text, 'finish_reason': finish}]})}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


END = b"0\r\n\r\n"


def test_a_connection_that_fails_before_anything_came_is_tried_again() -> None:
    flaky = Flaky(LISTED, None, BEGUN + chunk("x = 1", "length") + END)
    engine = HttpEngine(exported() / "ctranslate2", config(flaky.url))
    assert vocabulary().decode(tokens_of(engine, request([0]))[0]).startswith("x = 1")
    assert flaky.connections == 3
    engine.close()


def test_one_that_fails_twice_or_later_is_not() -> None:
    for answers in ((LISTED, None, None), (LISTED, BEGUN + chunk("x"))):
        flaky = Flaky(*answers)
        engine = HttpEngine(exported() / "ctranslate2", config(flaky.url))
        seen: list[GenerationStep] = []
        with pytest.raises(EngineError, match="is gone"):
            engine.generate(request([0]), lambda step, seen=seen: bool(seen.append(step)))
        assert len(seen) == (len(answers) == 2)  # tokens given out so far are right
        engine.close()


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes the connection, says nothing
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ServerError, match="does not answer in time"):
            HttpEngine(exported() / "ctranslate2", config(url, engine_timeout_s=0.2))


def test_an_answer_that_stops_short_is_an_error() -> None:
    flaky = Flaky(LISTED, BEGUN + chunk("x") + END)
    engine = HttpEngine(exported() / "ctranslate2", config(flaky.url))
    with pytest.raises(EngineError, match="ended before its answer did"):
        tokens_of(engine, request([0]))
    engine.close()


@pytest.mark.parametrize("body", [b"data: {no json\n\n", b'data: {"choices": [{"index": 0, "token_ids": "x"}]}\n\n'])
def test_an_answer_that_is_not_openais_is_an_error(body: bytes) -> None:
    flaky = Flaky(LISTED, BEGUN + b"%x\r\n%s\r\n" % (len(body), body) + END)
    engine = HttpEngine(exported() / "ctranslate2", config(flaky.url))
    with pytest.raises(EngineError):
        tokens_of(engine, request([0]))
    engine.close()


def test_text_alone_is_encoded_again() -> None:
    """Half an answer's pieces end inside words: the tokens may be others, the text is the same."""
    pieces = ["def ma", "in(", "):\n    re", "turn 'größer 変数 🙂'"]
    app = FastAPI()

    @app.get("/v1/models")
    def models() -> Any:
        return {"data": [{"id": "texts", "owned_by": "somebody"}]}

    @app.post("/v1/completions")
    async def completions(asked: Request) -> StreamingResponse:
        chunks = [*((piece, None) for piece in pieces), ("", "length")]
        events = [{"choices": [{"index": 0, "text": text, "finish_reason": why}]} for text, why in chunks]
        return StreamingResponse(iter([f"data: {json.dumps(one)}\n\n" for one in events]))

    with running_app(app) as url:
        engine = HttpEngine(exported() / "ctranslate2", config(url))
        steps = steps_of(engine, request([0], max_tokens=3, top_logprobs=1))
        engine.close()
    text = b"".join(vocabulary().token_bytes[step.token] for step in steps)
    assert text.decode() == "".join(pieces)
    assert steps[-1].finish == "length"
    assert all(step.score is None for step in steps)


def test_another_vocabulary_is_nothing_it_can_look_up(gateway: HttpEngine, export_dir: Path) -> None:
    engine = HttpEngine(export_dir / "ctranslate2", config(gateway._remote.url))
    asked = replace(request(prompts()[1]), stop_ids=frozenset())
    ours = b"".join(engine._vocabulary.token_bytes[token] for token in tokens_of(engine, asked)[0])
    theirs = b"".join(vocabulary().token_bytes[token] for token in tokens_of(gateway, asked)[0])
    assert ours == theirs  # by way of the text
    engine.close()
