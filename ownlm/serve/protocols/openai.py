"""The OpenAI protocol: POST /v1/completions, GET /v1/models, GET /v1/models/{id}. Chat is in `chat`.

body ─► parse_completion ─► Call ─► answering ─► pieces ─► whole answer, or events

Tabby asks at the same address; its bodies have `segments`, OpenAI's never (`ownlm.serve.protocols.tabby`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CodeContext, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import has_field
from ownlm.serve.protocols.openai_answer import (
    CompletionJson,
    Heading,
    ModelJson,
    ModelsJson,
    choice_json,
    usage_json,
)
from ownlm.serve.protocols.openai_request import CompletionRequest, parse_completion
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import DONE, ChoiceText, event, stream, whole
from ownlm.serve.protocols.tabby import Tabby
from ownlm.serve.protocols.tabby_answer import TabbyCompletionJson
from ownlm.serve.protocols.tabby_request import TabbyRequest

COMPLETIONS = "/v1/completions"


def openai_router(gateway: Gateway, tabby: Tabby) -> APIRouter:
    """The routes of the protocol; `tabby` answers what is Tabby's."""
    router = APIRouter(tags=["OpenAI"])

    @router.post(
        COMPLETIONS,
        **documented(
            "Continue a prompt, or fill in (OpenAI); with `segments`, Tabby's completion.",
            body=CompletionRequest | TabbyRequest,
            answer=CompletionJson | TabbyCompletionJson,
            events=True,
        ),
    )
    async def completions(request: Request) -> Response:
        arrived = time.perf_counter()
        body = await read_body(request, gateway.config.max_body_mb)
        if has_field(body, "segments"):
            return await tabby.complete(request, body, arrived)
        asked = parse_completion(body)
        answer = gateway.answering.start(_call(asked, caller_of(request)), arrived)
        rendering = _Rendering(asked, answer)
        if asked.stream:
            return stream(gateway, answer, COMPLETIONS, rendering.piece, rendering.end)
        return await whole(answer, request, rendering.whole)

    @router.get("/v1/models", **documented("Models one may ask for.", answer=ModelsJson))
    async def models(request: Request) -> Response:
        names = gateway.router.names(caller_of(request))
        return JSONResponse({"object": "list", "data": [_model(gateway, name) for name in names]})

    @router.get("/v1/models/{name:path}", **documented("One of them.", answer=ModelJson))
    async def model(request: Request, name: str) -> Response:
        gateway.router.route(caller_of(request), name)
        return JSONResponse(_model(gateway, name))

    return router


class _Rendering:
    """One answer in OpenAI's JSON, whole or as events."""

    def __init__(self, asked: CompletionRequest, answer: Answer) -> None:
        self._answer = answer
        self._heading = Heading(answer.id, answer.created, answer.model.name)
        self._logprobs = asked.logprobs is not None
        self._with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)

    def whole(self, choices: list[ChoiceText]) -> dict[str, Any]:
        """The whole answer."""
        shown = [self._choice(choice.index, choice) for choice in choices]
        return self._heading.answer(shown, usage=usage_json(self._answer.usage))

    def piece(self, piece: Piece) -> bytes:
        """The event of a piece."""
        usage: dict[str, Any] = {"usage": None} if self._with_usage else {}
        return event(self._heading.answer([self._choice(piece.choice, piece)], **usage))

    def end(self) -> bytes:
        """What comes after the last piece."""
        usage = event(self._heading.answer([], usage=usage_json(self._answer.usage))) if self._with_usage else b""
        return usage + DONE

    def _choice(self, index: int, said: Piece | ChoiceText) -> Any:
        return choice_json(index, said.text, said.tokens if self._logprobs else None, said.finish)


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


def _model(gateway: Gateway, name: str) -> ModelJson:
    return {"id": name, "object": "model", "created": gateway.model.created, "owned_by": "ownlm"}
