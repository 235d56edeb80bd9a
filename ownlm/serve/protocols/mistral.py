"""Mistral's fill-in-the-middle: POST /v1/fim/completions, whole or as server-sent events."""

from __future__ import annotations

import time
from typing import Annotated, Any, NotRequired

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CodeContext, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import EDITOR_STOPS, EDITOR_TEMPERATURE, Lenient, Stop, Temperature, listed, parse
from ownlm.serve.protocols.openai_answer import Heading, UsageJson, usage_json
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import DONE, Rendering, event, respond

FIM = "/v1/fim/completions"
_EXPECTED = {"stop": f"must be a text or a list of at most {EDITOR_STOPS} texts, none of them empty"}


class FimRequest(Lenient):
    """POST /v1/fim/completions. `min_tokens` and `metadata` are let pass."""

    model: str
    prompt: str
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=1)
    temperature: Temperature | None = None
    top_p: float | None = Field(None, gt=0, le=1)
    stop: Stop | Annotated[list[Stop], Field(max_length=EDITOR_STOPS)] | None = None
    random_seed: int | None = Field(None, ge=0, lt=2**63)
    stream: bool | None = None


class FimMessageJson(TypedDict):
    """What the model says; of a chunk, what is new."""

    role: NotRequired[str]
    content: str
    tool_calls: NotRequired[None]
    prefix: NotRequired[bool]


class FimChoiceJson(TypedDict):
    """The text, or a piece of it."""

    index: int
    message: NotRequired[FimMessageJson]
    delta: NotRequired[FimMessageJson]
    finish_reason: str | None


class FimJson(TypedDict):
    """The answer of POST /v1/fim/completions, or a chunk of it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[FimChoiceJson]
    usage: NotRequired[UsageJson]


def mistral_router(gateway: Gateway) -> APIRouter:
    """The route of the protocol."""
    router = APIRouter(tags=["Mistral"])

    @router.post(FIM, **documented("Fill in at the cursor (Mistral).", body=FimRequest, answer=FimJson, events=True))
    async def fim(request: Request) -> Response:
        arrived = time.perf_counter()
        asked = parse(FimRequest, await read_body(request, gateway.config.max_body_mb), _EXPECTED)
        answer = gateway.answering.start(_call(asked, caller_of(request)), arrived)
        return await respond(gateway, request, _Rendering(asked, answer), streamed=bool(asked.stream))

    return router


class _Rendering(Rendering):
    """One answer in Mistral's JSON, whole or as events. The end of a stream tells what it cost."""

    def __init__(self, asked: FimRequest, answer: Answer) -> None:
        super().__init__(answer)
        kind = "chat.completion.chunk" if asked.stream else "chat.completion"
        self._heading = Heading(answer.id, answer.created, answer.model.name, kind)

    def whole(self) -> dict[str, Any]:
        """See `Rendering.whole`."""
        (choice,) = self.choices
        message = {"role": "assistant", "content": choice.text, "tool_calls": None, "prefix": False}
        shown = {"index": 0, "message": message, "finish_reason": choice.finish}
        return self._heading.answer([shown], usage=usage_json(self.answer.usage))

    def piece(self, piece: Piece) -> bytes:
        """See `Rendering.piece`."""
        self.add(piece)
        return self._delta(piece.text, None) if piece.text else b""

    def end(self) -> bytes:
        """The event that ends the text, with what it cost."""
        return self._delta("", self.choices[0].finish, usage=usage_json(self.answer.usage)) + DONE

    def _delta(self, text: str, finish: str | None, **more: Any) -> bytes:
        shown = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
        return event(self._heading.answer([shown], **more))


def _call(asked: FimRequest, caller: Caller) -> Call:
    options = CompletionOptions(
        temperature=EDITOR_TEMPERATURE if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        seed=asked.random_seed,
        stop=listed(asked.stop),
    )
    return Call(
        protocol="mistral",
        caller=caller,
        texts=(CodeContext(asked.prompt, asked.suffix or ""),),
        options=options,
        model=asked.model,
        max_tokens=asked.max_tokens,
        tidy=True,
    )
