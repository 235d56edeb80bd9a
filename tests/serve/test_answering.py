"""What a caller gets when there is no room, no time, no engine, or he has gone on to something newer."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from ownlm.errors import EngineError, RecipeError
from ownlm.live.feedback.event import CompletionEvent, ServedCompletion
from ownlm.serve.app import app_for
from ownlm.serve.config import ServeConfig
from ownlm.serve.gateway import Gateway
from ownlm.serve.model import ServedModel
from tests.serve.running import eventually, serving
from tests.serve.scripted import ScriptedEngine, Turnstile

OPENAI = "/v1/completions"
TABBY = {"segments": {"prefix": "a = ", "suffix": "", "filepath": "f.py"}, "language": "python"}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": (OPENAI, {"model": "tiny", "prompt": "x", "max_tokens": 200}),
    "openai stream": (OPENAI, {"model": "tiny", "prompt": "x", "max_tokens": 200, "stream": True}),
    "tabby": (OPENAI, {**TABBY, "user": "anna"}),
    "llama.cpp": ("/infill", {"input_prefix": "x", "input_suffix": "", "n_predict": 200}),
    "llama.cpp stream": ("/infill", {"input_prefix": "x", "input_suffix": "", "n_predict": 200, "stream": True}),
    "mistral": ("/v1/fim/completions", {"model": "tiny", "prompt": "x", "max_tokens": 200}),
    "mistral stream": ("/v1/fim/completions", {"model": "tiny", "prompt": "x", "max_tokens": 200, "stream": True}),
    "tgi": ("/generate", {"inputs": "x", "parameters": {"max_new_tokens": 200}}),
    "tgi stream": ("/generate_stream", {"inputs": "x", "parameters": {"max_new_tokens": 200}}),
}


class Told:
    """Feedback that keeps what it is told in memory."""

    def __init__(self, error: Exception | None = None) -> None:
        self.completions: list[ServedCompletion] = []
        self.error = error

    def lost(self) -> int:
        return 0

    def served(self, completion: ServedCompletion) -> None:
        if self.error is not None:
            raise self.error
        self.completions.append(completion)

    def event(self, event: CompletionEvent) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


@pytest.fixture
def engine(scripted: ServedModel) -> ScriptedEngine:
    assert isinstance(scripted.engine, ScriptedEngine)
    return scripted.engine


Session = Callable[[httpx.AsyncClient, Gateway], Awaitable[None]]


def gateway(model: ServedModel, config: ServeConfig, session: Session, told: Told | None = None) -> None:
    """Run `session` with a client of a gateway."""

    async def main() -> None:
        app = app_for(model, config, feedback=told)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            await session(client, app.state.gateway)

    asyncio.run(main())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("how", BODIES)
def test_generation_ends_within_a_token_of_the_client_leaving(
    scripted: ServedModel, engine: ScriptedEngine, how: str
) -> None:
    """Two tokens are given out, the client leaves, the engine is let go on: it is stopped at the third."""
    path, body = BODIES[how]
    engine.gate = gate = Turnstile(2)
    engine.say("x = 1\n" * 100)
    with serving(scripted, ServeConfig()) as url:
        with httpx.Client(base_url=url) as client:
            request = client.build_request("POST", path, json=body)
            if "stream" in how:
                client.send(request, stream=True)
            else:
                with pytest.raises(httpx.ReadTimeout):
                    client.send(client.build_request("POST", path, json=body, timeout=0.2))
            eventually(lambda: engine.steps == 2)
        eventually(lambda: "ownlm_cancelled_requests_total 1.0" in httpx.get(f"{url}/metrics").text)
        gate.set()
        assert engine.ended.wait(5)
        assert engine.steps == 3
        eventually(lambda: "ownlm_jobs_running 0.0" in httpx.get(f"{url}/metrics").text)


@pytest.mark.parametrize("how", [how for how in BODIES if "stream" not in how])
def test_at_the_deadline_what_is_there_is_answered(scripted: ServedModel, engine: ScriptedEngine, how: str) -> None:
    """The engine hangs after its third token."""
    path, body = BODIES[how]
    engine.say("abcdef = 1")
    engine.gate = gate = Turnstile(3)
    expected = scripted.vocabulary.decode(engine.ids[:3])
    told = Told()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        answer = await client.post(path, json=body)
        gate.set()
        assert answer.status_code == 200
        found = answer.text
        (completion,) = told.completions
        assert completion.outcome == "deadline"
        assert completion.texts[0] in expected
        assert completion.texts[0] in json.dumps(answer.json())
        if how in ("openai", "mistral"):
            assert completion.texts[0] == expected
            assert answer.json()["choices"][0]["finish_reason"] == "length"
        assert 'outcome="deadline"' in (await client.get("/metrics")).text, found

    gateway(scripted, ServeConfig(deadline_s=1.0), session, told)


def test_a_stream_ends_at_the_deadline_too(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.gate = gate = Turnstile(1)

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        answer = await client.post(OPENAI, json={"model": "tiny", "prompt": "x", "stream": True, "n": 2})
        gate.set()
        lines = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line.startswith("data: {")]
        assert answer.text.endswith("data: [DONE]\n\n")
        ends = {choice["index"]: choice["finish_reason"] for line in lines for choice in line["choices"]}
        assert ends == {0: "length", 1: "length"}

    gateway(scripted, ServeConfig(deadline_s=0.7), session)


def test_who_waits_beyond_the_deadline_is_answered_and_never_computed(
    scripted: ServedModel, engine: ScriptedEngine
) -> None:
    engine.gate = threading.Event()
    told = Told()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        body = {"model": "tiny", "prompt": "x"}
        both = await asyncio.gather(*(client.post(OPENAI, json=body) for _ in range(2)))
        engine.gate.set()  # type: ignore[union-attr]
        assert [answer.json()["choices"][0] for answer in both] == [
            {"index": 0, "text": "", "logprobs": None, "finish_reason": "length"}
        ] * 2
        await until(lambda: gateway.scheduler.running == 0)
        assert (await client.post(OPENAI, json=body)).json()["choices"][0]["text"] == "hello"

    gateway(scripted, ServeConfig(deadline_s=0.7), session, told)
    assert len(engine.requests) == 2  # the first and the last
    assert [completion.outcome for completion in told.completions] == ["deadline", "deadline", "done"]


def test_a_full_queue_is_429_with_a_time_to_come_again(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.gate = threading.Event()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        body = {"model": "tiny", "prompt": "x", "user": "anna"}
        tasks = [asyncio.create_task(client.post(OPENAI, json=body)) for _ in range(2)]
        await until(lambda: gateway.scheduler.waiting == 1)
        gateway.scheduler._mean_s = 4.0
        refused = await client.post(OPENAI, json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "server_busy")
        assert refused.headers["Retry-After"] == "8"
        engine.gate.set()  # type: ignore[union-attr]
        assert [answer.status_code for answer in await asyncio.gather(*tasks)] == [200, 200]

    gateway(scripted, ServeConfig(parallel=1, queue=1), session)


@pytest.mark.parametrize("stream", [False, True])
def test_who_is_dropped_for_somebody_else_hears_429(
    scripted: ServedModel, engine: ScriptedEngine, stream: bool
) -> None:
    engine.gate = threading.Event()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        body = {"model": "tiny", "prompt": "x", "user": "anna", "stream": stream}
        annas = []
        for number in range(3):
            annas.append(asyncio.create_task(client.post(OPENAI, json=body)))
            await until(lambda want=number: gateway.scheduler.running + gateway.scheduler.waiting == want + 1)
        ben = asyncio.create_task(client.post(OPENAI, json={**body, "user": "ben"}))
        assert (await annas[2]).status_code == 429
        engine.gate.set()  # type: ignore[union-attr]
        assert [answer.status_code for answer in await asyncio.gather(*annas[:2], ben)] == [200] * 3

    gateway(scripted, ServeConfig(parallel=1, queue=2), session)


@pytest.mark.parametrize("supersede", [True, False])
def test_an_editors_newer_request_for_a_file_supersedes_the_one_that_waits(
    scripted: ServedModel, engine: ScriptedEngine, supersede: bool
) -> None:
    engine.gate = threading.Event()
    told = Told()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        tasks = []
        for number in range(3):
            body = {**TABBY, "segments": {**TABBY["segments"], "prefix": f"a = {number}"}, "user": "anna"}  # type: ignore[dict-item]
            tasks.append(asyncio.create_task(client.post(OPENAI, json=body)))
            await asyncio.sleep(0)
            await until(lambda: len(tasks) > 1 or gateway.scheduler.running == 1)
        if not supersede:
            await until(lambda: gateway.scheduler.waiting == 2)
        engine.gate.set()  # type: ignore[union-attr]
        answers = await asyncio.gather(*tasks)
        assert [answer.status_code for answer in answers] == [200] * 3

    gateway(scripted, ServeConfig(supersede=supersede), session, told)
    assert len(engine.requests) == (2 if supersede else 3)
    outcomes = sorted(completion.outcome for completion in told.completions)
    assert outcomes == (["cancelled", "done", "done"] if supersede else ["done"] * 3)


def test_a_rate_limit_is_of_one_user(scripted: ServedModel) -> None:
    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        async def asked(user: str) -> httpx.Response:
            return await client.post(OPENAI, json={"model": "tiny", "prompt": "x", "user": user})

        assert [(await asked("anna")).status_code for _ in range(3)] == [200, 200, 429]
        refused = await asked("anna")
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert 1 <= int(refused.headers["Retry-After"]) <= 7200
        assert (await asked("ben")).status_code == 200

    gateway(scripted, ServeConfig(rate="2/hour"), session)


def test_a_rate_that_is_none_is_an_error(scripted: ServedModel) -> None:
    with pytest.raises(RecipeError, match="no rate"):
        app_for(scripted, ServeConfig(rate="often"))


@pytest.mark.parametrize("how", BODIES)
def test_an_engine_that_breaks_is_503_in_the_protocols_shape(
    scripted: ServedModel, engine: ScriptedEngine, how: str
) -> None:
    """It breaks before the first token; nobody opens it again here (see test_supervised)."""
    path, body = BODIES[how]
    engine.failures = [EngineError("the secret code was def f()")]
    told = Told()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        answer = await client.post(path, json=body)
        assert answer.status_code == (429 if path.startswith("/generate") else 503)  # TGI has 429 for it
        assert "secret" not in answer.text
        assert "error" in answer.text
        assert (await client.post(path, json=body)).status_code == 200

    gateway(scripted, ServeConfig(), session, told)
    assert [completion.outcome for completion in told.completions] == ["error", "done"]


def test_an_engine_that_breaks_on_the_way_ends_the_stream_with_an_error(
    scripted: ServedModel, engine: ScriptedEngine
) -> None:
    engine.error = EngineError("gone")

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        answer = await client.post(OPENAI, json={"model": "tiny", "prompt": "x", "stream": True})
        assert answer.status_code == 200
        last = answer.text.strip().rpartition("data: ")[2]
        assert json.loads(last)["error"]["code"] == "engine_error"

    gateway(scripted, ServeConfig(), session)


def test_completions_go_on_when_feedback_cannot_be_kept(
    scripted: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        for _ in range(2):
            assert (await client.post(OPENAI, json={"model": "tiny", "prompt": "my code"})).status_code == 200
        assert "ownlm_feedback_errors_total 2.0" in (await client.get("/metrics")).text

    with caplog.at_level(logging.ERROR):
        gateway(scripted, ServeConfig(), session, Told(OSError(28, "No space left on device: my code")))
    assert "OSError" in caplog.text
    assert "my code" not in caplog.text


@pytest.mark.parametrize("log", [False, True])
def test_prompts_are_logged_only_when_that_is_asked_for(
    scripted: ServedModel, caplog: pytest.LogCaptureFixture, log: bool
) -> None:
    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        await client.post(OPENAI, json={"model": "tiny", "prompt": "secret prefix", "suffix": "secret suffix"})
        await client.post(OPENAI, json={"model": "tiny", "prompt": "secret", "n": "secret"})

    with caplog.at_level(logging.DEBUG):
        gateway(scripted, ServeConfig(log_prompts=log), session)
    assert ("secret prefix" in caplog.text, "secret suffix" in caplog.text, "hello" in caplog.text) == (log,) * 3


def test_stopping_tells_those_who_wait(scripted: ServedModel, engine: ScriptedEngine) -> None:
    engine.gate = threading.Event()

    async def session(client: httpx.AsyncClient, gateway: Gateway) -> None:
        tasks = [asyncio.create_task(client.post(OPENAI, json={"model": "tiny", "prompt": "x"})) for _ in range(2)]
        await until(lambda: gateway.scheduler.waiting == 1)
        gateway.scheduler.close()
        engine.gate.set()  # type: ignore[union-attr]
        first, second = await asyncio.gather(*tasks)
        assert (first.status_code, second.status_code) == (200, 503)
        assert second.json()["error"]["code"] == "stopping"

    gateway(scripted, ServeConfig(), session)
