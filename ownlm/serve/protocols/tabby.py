"""Tabby's protocol: POST /v1/completions with `segments`, POST /v1/events, GET and POST /v1/health, server settings.

An event is answered only when it is stored: a client that got no answer may send it again, and it is kept once.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from ownlm.errors import InputError, StorageError
from ownlm.live.feedback.event import CompletionEvent
from ownlm.serve.call import Call, Caller, CompletionOptions
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import EDITOR_TEMPERATURE, parse
from ownlm.serve.protocols.errors import RETRY_AFTER_S, ApiError
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import ChoiceText, whole
from ownlm.serve.protocols.tabby_request import TabbyEvent, TabbyRequest

SPOKEN = "0.21.0"
"""Tabby's version whose protocol this is. Its clients ask a server older than 0.9 for no settings: they would send
telemetry to their maker."""


class TabbyChoiceJson(TypedDict):
    """One continuation."""

    index: int
    text: str


class TabbyCompletionJson(TypedDict):
    """The answer to a completion with segments."""

    id: str
    choices: list[TabbyChoiceJson]


class TabbyVersionJson(TypedDict):
    """Who answers."""

    build_date: str
    build_timestamp: str
    git_sha: str
    git_describe: str


class TabbyHealthJson(TypedDict):
    """GET /v1/health."""

    model: str
    chat_model: str | None
    device: str
    arch: str
    cpu_info: str
    cpu_count: int
    cuda_devices: list[str]
    version: TabbyVersionJson


class TabbySettingJson(TypedDict):
    """GET /v1beta/server_setting."""

    disable_client_side_telemetry: bool


def tabby_router(gateway: Gateway) -> APIRouter:
    """The routes of the protocol; completions are at OpenAI's address."""
    router = APIRouter(tags=["Tabby"])

    @router.post("/v1/events", **documented("What somebody did with a completion.", body=TabbyEvent))
    async def events(request: Request) -> Response:
        told = parse(TabbyEvent, await read_body(request, gateway.config.max_body_mb))
        await run_in_threadpool(_store, gateway, told, time.time())
        gateway.metrics.events.labels(told.type).inc()
        return Response()

    async def health(request: Request) -> Response:
        return JSONResponse(_health(gateway))

    said = documented("Is it alive, and who is it.", answer=TabbyHealthJson)
    router.get("/v1/health", operation_id="tabby_health", **said)(health)
    router.post("/v1/health", operation_id="tabby_health_post", **said)(health)

    @router.get("/v1beta/server_setting", **documented("What clients should do.", answer=TabbySettingJson))
    async def setting(request: Request) -> Response:
        return JSONResponse({"disable_client_side_telemetry": True})

    return router


async def answer_tabby(gateway: Gateway, request: Request, body: bytes, arrived: float) -> Response:
    """Answer a completion with segments.

    Raises:
        ApiError: the body is not one, or the call is refused.
    """
    answer = gateway.answering.start(_call(parse(TabbyRequest, body), caller_of(request)), arrived)

    def render(choices: list[ChoiceText]) -> TabbyCompletionJson:
        return {"id": answer.id, "choices": [{"index": choice.index, "text": choice.text} for choice in choices]}

    return await whole(answer, request, render)


def _call(asked: TabbyRequest, caller: Caller) -> Call:
    temperature = EDITOR_TEMPERATURE if asked.temperature is None else asked.temperature
    return Call(
        protocol="tabby",
        caller=replace(caller, user=caller.user or asked.user or ""),
        texts=(asked.context(),),
        options=CompletionOptions(temperature=temperature, seed=asked.seed),
        tidy=True,
    )


def _store(gateway: Gateway, told: TabbyEvent, at: float) -> None:
    """In a thread: returns when the event is stored."""
    event = CompletionEvent(
        completion=told.completion_id,
        kind=told.type,
        choice=told.choice_index,
        at=at,
        view=told.view_id or "",
        elapsed_s=None if told.elapsed is None else told.elapsed / 1000,
        after_s=told.after_s,
        retained=told.retained,
        accepted=told.accepted,
    )
    try:
        gateway.feedback.event(event)
    except InputError as error:
        raise ApiError(400, f"{_sentence(error.what)}.", param="completion_id", code="unknown_completion") from None
    except StorageError as error:
        raise ApiError(
            503,
            f"The event was not stored: {error.what}.",
            code="not_stored",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ) from None


def _health(gateway: Gateway) -> TabbyHealthJson:
    model = gateway.model
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(model.created))
    build: Any = {
        "build_date": stamp[:10],
        "build_timestamp": stamp,
        "git_sha": model.version,
        "git_describe": f"v{SPOKEN}+ownlm.{version('ownlm')}",
    }
    return {
        "model": model.name,
        "chat_model": model.name if model.chat else None,
        "device": gateway.config.device,
        "arch": platform.machine(),
        "cpu_info": platform.processor() or platform.machine(),
        "cpu_count": os.cpu_count() or 1,
        "cuda_devices": [],
        "version": build,
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
