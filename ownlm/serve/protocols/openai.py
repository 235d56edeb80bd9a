"""The OpenAI protocol: POST /v1/completions, GET /v1/models, GET /v1/models/{id}. Chat is in `chat`.

body ─► parse_completion ─► Call ─► answering ─► pieces ─► whole answer, or events

Tabby asks at the same address; its bodies have `segments`, OpenAI's never (`ownlm.serve.protocols.tabby`).
"""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CodeContext
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import has_field
from ownlm.serve.protocols.openai_answer import (
    ChoiceJson,
    CompletionJson,
    Heading,
    ModelJson,
    ModelsJson,
    choice_json,
)
from ownlm.serve.protocols.openai_request import CompletionRequest, parse_completion
from ownlm.serve.protocols.openai_shared import OpenAiRendering, options_of
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import respond
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
        return await respond(gateway, request, _Rendering(asked, answer), streamed=bool(asked.stream))

    @router.get("/v1/models", **documented("Models one may ask for.", answer=ModelsJson))
    async def models(request: Request) -> Response:
        names = gateway.router.names(caller_of(request))
        return JSONResponse({"object": "list", "data": [_model(gateway, name) for name in names]})

    @router.get("/v1/models/{name:path}", **documented("One of them.", answer=ModelJson))
    async def model(request: Request, name: str) -> Response:
        gateway.router.route(caller_of(request), name)
        return JSONResponse(_model(gateway, name))

    return router


class _Rendering(OpenAiRendering):
    """One answer to a completion."""

    def __init__(self, asked: CompletionRequest, answer: Answer) -> None:
        super().__init__(asked, answer, Heading(answer.id, answer.created, answer.model.name))
        self._logprobs = asked.logprobs is not None

    def choice(self, choice: Piece) -> ChoiceJson:
        """See `OpenAiRendering.choice`; a piece of one looks the same."""
        return choice_json(choice.choice, choice.text, choice.tokens if self._logprobs else None, choice.finish)


def _call(asked: CompletionRequest, caller: Caller) -> Call:
    return Call(
        protocol="openai",
        caller=caller.called(asked.user),
        texts=tuple(
            CodeContext(text, asked.suffix or None) if isinstance(text, str) else text for text in asked.prompts()
        ),
        options=options_of(asked, asked.logprobs),
        model=asked.model,
        max_tokens=asked.max_tokens,
        fim_order=asked.fim_order,
        echo=bool(asked.echo),
        tidy=bool(asked.trim),
    )


def _model(gateway: Gateway, name: str) -> ModelJson:
    return {"id": name, "object": "model", "created": gateway.model.created, "owned_by": "ownlm"}
