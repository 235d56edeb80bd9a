"""The OpenAI protocol: POST /v1/completions, GET /v1/models, GET /v1/models/{id}.

body ─► parse_completion ─► Call ─► answering ─► pieces ─► whole answer, or events
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CodeContext, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import EventStream, caller_of, read_body
from ownlm.serve.protocols.errors import internal
from ownlm.serve.protocols.openai_answer import DONE, Heading, WholeChoice, choice_json, event, usage_json
from ownlm.serve.protocols.openai_request import CompletionRequest, parse_completion

CLIENT_CLOSED_REQUEST = 499
"""What the metrics count a request as whose client left before the answer (nginx's number; nobody receives it)."""


def openai_router(gateway: Gateway) -> APIRouter:
    """The routes of the protocol."""
    router = APIRouter()

    @router.post("/v1/completions")
    async def completions(request: Request) -> Response:
        arrived = time.perf_counter()
        asked = parse_completion(await read_body(request, gateway.config.max_body_mb))
        answer = gateway.answering.start(_call(asked, caller_of(request)), arrived)
        rendering = _Rendering(gateway, asked, answer)
        if asked.stream:
            return EventStream(rendering.events(), answer.cancel)
        return await rendering.whole(request)

    @router.get("/v1/models")
    async def models(request: Request) -> Response:
        names = gateway.router.names(caller_of(request))
        return JSONResponse({"object": "list", "data": [_model(gateway, name) for name in names]})

    @router.get("/v1/models/{name:path}")
    async def model(request: Request, name: str) -> Response:
        gateway.router.route(caller_of(request), name)
        return JSONResponse(_model(gateway, name))

    return router


class _Rendering:
    """One answer in OpenAI's JSON, whole or as events."""

    def __init__(self, gateway: Gateway, asked: CompletionRequest, answer: Answer) -> None:
        self._gateway, self._asked, self._answer = gateway, asked, answer
        self._heading = Heading(answer.id, answer.created, answer.model.name)

    async def whole(self, request: Request) -> Response:
        """The whole answer, or nothing when the client leaves first."""
        choices = [WholeChoice(index) for index in range(self._answer.choices)]
        if not await self._answer.whole(request, lambda piece: choices[piece.choice].add(piece)):
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        with_logprobs = self._asked.logprobs is not None
        usage = usage_json(self._answer.usage)
        return JSONResponse(self._heading.answer([choice.json(with_logprobs) for choice in choices], usage=usage))

    async def events(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events. An error on the way is an event, for the status is long sent."""
        options = self._asked.stream_options
        with_usage = options is not None and bool(options.include_usage)
        usage: dict[str, Any] = {"usage": None} if with_usage else {}
        try:
            async for pieces in self._answer.pieces():
                yield b"".join(event(self._heading.answer([self._chunk(piece)], **usage)) for piece in pieces)
            if with_usage:
                yield event(self._heading.answer([], usage=usage_json(self._answer.usage)))
            yield DONE
        except Exception as error:
            yield event(internal(self._gateway.log_internal(error)).body())

    def _chunk(self, piece: Piece) -> dict[str, Any]:
        tokens = piece.tokens if self._asked.logprobs is not None else None
        return choice_json(piece.choice, piece.text, tokens, piece.finish)


def _call(asked: CompletionRequest, caller: Caller) -> Call:
    options = CompletionOptions(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        top_k=asked.top_k or 0,
        seed=asked.seed,
        choices=asked.n or 1,
        logprobs=asked.logprobs,
        stop=asked.stops(),
    )
    return Call(
        protocol="openai",
        caller=replace(caller, user=caller.user or asked.user or ""),
        texts=tuple(
            CodeContext(text, asked.suffix or None) if isinstance(text, str) else text for text in asked.prompts()
        ),
        options=options,
        model=asked.model,
        max_tokens=asked.max_tokens,
        fim_order=asked.fim_order,
        echo=bool(asked.echo),
    )


def _model(gateway: Gateway, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": gateway.model.created, "owned_by": "ownlm"}
