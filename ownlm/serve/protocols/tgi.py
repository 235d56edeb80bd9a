"""Text Generation Inference's protocol: POST /generate, POST /generate_stream, POST /tgi, GET /info.

TGI's own `POST /`, which streams or not as `stream` says and wraps a whole answer in a list, is `POST /tgi` here: the
address / is the playground's, and open without a key. Its Python clients are given that address.

An event of a stream is a piece of text, not a token: its `id` is -1 and its `logprob` null.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any, NotRequired

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import parse
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import Rendering, event, respond
from ownlm.serve.protocols.tgi_request import DEFAULT_NEW_TOKENS, MOST_STOPS, GenerateRequest

GENERATE, GENERATE_STREAM, EITHER = "/generate", "/generate_stream", "/tgi"
_REASONS = {"length": "length", "stop": "eos_token"}
_EXPECTED = {"inputs": "must be a text"}


class DetailsJson(TypedDict):
    """Why the text ended, and what it cost. Tokens one by one are not told."""

    finish_reason: str
    generated_tokens: int
    input_length: NotRequired[int]
    seed: int | None
    prefill: NotRequired[list[Any]]
    tokens: NotRequired[list[Any]]


class GeneratedJson(TypedDict):
    """The answer of POST /generate."""

    generated_text: str
    details: NotRequired[DetailsJson]


class TgiInfoJson(TypedDict):
    """GET /info."""

    model_id: str
    model_sha: str
    model_dtype: str
    model_device_type: str
    model_pipeline_tag: str
    max_concurrent_requests: int
    max_best_of: int
    max_stop_sequences: int
    max_input_tokens: int
    max_total_tokens: int
    max_client_batch_size: int
    router: str
    version: str


def tgi_router(gateway: Gateway) -> APIRouter:
    """The routes of the protocol."""
    router = APIRouter(tags=["TGI"])

    async def answered(request: Request, path: str) -> Response:
        arrived = time.perf_counter()
        asked = parse(GenerateRequest, await read_body(request, gateway.config.max_body_mb), _EXPECTED)
        answer = gateway.answering.start(_call(asked, caller_of(request)), arrived)
        streamed = path == GENERATE_STREAM or (path == EITHER and bool(asked.stream))
        return await respond(gateway, request, _Rendering(asked, answer, listed=path == EITHER), streamed=streamed)

    @router.post(GENERATE, **documented("Continue a text (TGI).", body=GenerateRequest, answer=GeneratedJson))
    async def generate(request: Request) -> Response:
        return await answered(request, GENERATE)

    @router.post(GENERATE_STREAM, **documented("The same, as events (TGI).", body=GenerateRequest, events=True))
    async def generate_stream(request: Request) -> Response:
        return await answered(request, GENERATE_STREAM)

    said = documented(
        "Continue a text, as events if asked (TGI's POST /).",
        body=GenerateRequest,
        answer=list[GeneratedJson],
        events=True,
    )

    @router.post(EITHER, **said)
    async def either(request: Request) -> Response:
        return await answered(request, EITHER)

    @router.get("/info", **documented("What the server is (TGI).", answer=TgiInfoJson))
    async def info(request: Request) -> Response:
        return JSONResponse(_info(gateway))

    return router


class _Rendering(Rendering):
    """One answer in TGI's JSON, whole or as events. `listed`: a whole one in a list, as POST /tgi gives it."""

    def __init__(self, asked: GenerateRequest, answer: Answer, *, listed: bool) -> None:
        super().__init__(answer)
        self._asked, self._listed = asked, listed
        self._events = 0

    def whole(self) -> GeneratedJson | list[GeneratedJson]:
        """See `Rendering.whole`."""
        (choice,) = self.choices
        shown: GeneratedJson = {"generated_text": self._full(choice.text)}
        if self._asked.asked.details:
            shown["details"] = {**self._details(choice.finish), "prefill": [], "tokens": []}
        return [shown] if self._listed else shown

    def piece(self, piece: Piece) -> bytes:
        """See `Rendering.piece`."""
        self.add(piece)
        return self._event(piece.text, None, None) if piece.text else b""

    def end(self) -> bytes:
        """The last event: the text as a whole."""
        (choice,) = self.choices
        details = {**self._details(choice.finish), "input_length": self.answer.usage.prompt}
        return self._event("", self._full(choice.text), details)

    def _event(self, text: str, full: str | None, details: dict[str, Any] | None) -> bytes:
        self._events += 1
        token = {"id": -1, "text": text, "logprob": None, "special": full is not None}
        shown = {"index": self._events, "token": token, "top_tokens": [], "generated_text": full, "details": details}
        return event(shown)

    def _full(self, text: str) -> str:
        return self._asked.inputs + text if self._asked.asked.return_full_text else text

    def _details(self, finish: str | None) -> DetailsJson:
        return {
            "finish_reason": _REASONS.get(finish or "", "eos_token"),
            "generated_tokens": self.answer.usage.generated,
            "seed": self._asked.asked.seed,
        }


def _call(asked: GenerateRequest, caller: Caller) -> Call:
    parameters, context = asked.asked, asked.context()
    options = CompletionOptions(
        temperature=parameters.sampling_temperature(),
        top_p=1.0 if parameters.top_p is None else parameters.top_p,
        top_k=parameters.top_k or 0,
        seed=parameters.seed,
        stop=tuple(parameters.stop or parameters.stop_tokens or ()),
    )
    return Call(
        protocol="tgi",
        caller=caller,
        texts=(context,),
        options=options,
        max_tokens=parameters.max_new_tokens or DEFAULT_NEW_TOKENS,
        tidy=context.suffix is not None,
    )


def _info(gateway: Gateway) -> TgiInfoJson:
    model, config = gateway.model, gateway.config
    return {
        "model_id": model.name,
        "model_sha": model.version,
        "model_dtype": config.compute_type,
        "model_device_type": config.device,
        "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": config.parallel + config.queue,
        "max_best_of": 1,
        "max_stop_sequences": MOST_STOPS,
        "max_input_tokens": model.context - 1,
        "max_total_tokens": model.context,
        "max_client_batch_size": 1,
        "router": "ownlm",
        "version": version("ownlm"),
    }
