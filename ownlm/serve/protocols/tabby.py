"""Tabby's protocol: POST /v1/completions with `segments`, POST /v1/events, GET and POST /v1/health, server settings.

An event is answered only when it is stored: a client that got no answer may send it again, and it is kept once.

A person may take a line of a completion; the client then says `select_kind: "line"`, and not how long it is. The
lengths of first lines are remembered for a while, so that characters taken are counted right.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from ownlm.errors import InputError, StorageError
from ownlm.live.feedback.event import CompletionEvent
from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CompletionOptions
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import EDITOR_TEMPERATURE, parse
from ownlm.serve.protocols.errors import RETRY_AFTER_S, ApiError
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import Rendering, respond
from ownlm.serve.protocols.tabby_answer import TabbyCompletionJson, TabbyHealthJson, TabbySettingJson, health_json
from ownlm.serve.protocols.tabby_request import TabbyEvent, TabbyRequest

LINES_KEPT = 10_000
FIRST_LINE = re.compile(r"\n*[^\n]*")
"""What is taken with a line: the first one that is not empty, and the line ends before it."""


class Tabby:
    """Completions and events of one gateway.

    Args:
        gateway: answers, and keeps what people do with answers.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._lines: OrderedDict[str, int] = OrderedDict()

    async def complete(self, request: Request, body: bytes, arrived: float) -> Response:
        """Answer a completion with segments.

        Raises:
            ApiError: the body is not one, or the call is refused.
        """
        answer = self.gateway.answering.start(_call(parse(TabbyRequest, body), caller_of(request)), arrived)
        return await respond(self.gateway, request, _Rendering(answer, self))

    async def event(self, told: TabbyEvent) -> None:
        """Keep an event; it is durable when this returns.

        Raises:
            ApiError: 400, no such completion or choice; 503, it could not be stored.
        """
        accepted = told.accepted
        if accepted is None and told.select_kind == "line":
            accepted = self._lines.get(told.completion_id)
        await run_in_threadpool(_store, self.gateway, told, accepted, time.time())
        self.gateway.metrics.events.labels(told.type).inc()

    def remember(self, number: str, text: str) -> None:
        """Note how long the first line of an answer is."""
        line = FIRST_LINE.match(text)
        assert line is not None  # it matches every text
        self._lines[number] = len(line[0])
        if len(self._lines) > LINES_KEPT:
            self._lines.popitem(last=False)


class _Rendering(Rendering):
    """One answer in Tabby's JSON. Its protocol has no streams."""

    def __init__(self, answer: Answer, tabby: Tabby) -> None:
        super().__init__(answer)
        self._tabby = tabby

    def whole(self) -> TabbyCompletionJson:
        """See `Rendering.whole`."""
        self._tabby.remember(self.answer.id, self.choices[0].text)
        return {"id": self.answer.id, "choices": [{"index": one.choice, "text": one.text} for one in self.choices]}


def tabby_router(tabby: Tabby) -> APIRouter:
    """The routes of the protocol; completions are at OpenAI's address."""
    router = APIRouter(tags=["Tabby"])
    gateway = tabby.gateway

    @router.post("/v1/events", **documented("What somebody did with a completion.", body=TabbyEvent))
    async def events(request: Request) -> Response:
        await tabby.event(parse(TabbyEvent, await read_body(request, gateway.config.max_body_mb)))
        return Response()

    async def health(request: Request) -> Response:
        return JSONResponse(health_json(gateway))

    said = documented("Is it alive, and who is it.", answer=TabbyHealthJson)
    router.get("/v1/health", operation_id="tabby_health", **said)(health)
    router.post("/v1/health", operation_id="tabby_health_post", **said)(health)

    @router.get("/v1beta/server_setting", **documented("What clients should do.", answer=TabbySettingJson))
    async def setting(request: Request) -> Response:
        return JSONResponse({"disable_client_side_telemetry": True})

    return router


def _call(asked: TabbyRequest, caller: Caller) -> Call:
    temperature = EDITOR_TEMPERATURE if asked.temperature is None else asked.temperature
    return Call(
        protocol="tabby",
        caller=caller.called(asked.user),
        texts=(asked.context(),),
        options=CompletionOptions(temperature=temperature, seed=asked.seed),
        tidy=True,
    )


def _store(gateway: Gateway, told: TabbyEvent, accepted: int | None, at: float) -> None:
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
        accepted=accepted,
    )
    try:
        gateway.feedback.event(event)
    except InputError as error:
        raise ApiError(400, _sentence(error.what), param="completion_id", code="unknown_completion") from None
    except StorageError as error:
        raise ApiError(
            503,
            f"The event was not stored: {error.what}.",
            code="not_stored",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ) from None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
