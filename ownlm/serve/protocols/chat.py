"""OpenAI's chat: POST /v1/chat/completions.

For models that were trained to converse. A model that only completes code refuses (400, `not_a_chat_model`): an answer
it makes up about a conversation would look like one, and be none.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.chat_answer import ChatJson, chat_logprobs_json
from ownlm.serve.protocols.chat_request import ChatRequest, parse_chat
from ownlm.serve.protocols.openai_answer import Heading, usage_json
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import DONE, ChoiceText, event, stream, whole

CHAT = "/v1/chat/completions"


def chat_router(gateway: Gateway) -> APIRouter:
    """The route of the protocol."""
    router = APIRouter(tags=["OpenAI"])

    @router.post(
        CHAT, **documented("The next turn of a conversation (OpenAI).", body=ChatRequest, answer=ChatJson, events=True)
    )
    async def chat(request: Request) -> Response:
        arrived = time.perf_counter()
        asked = parse_chat(await read_body(request, gateway.config.max_body_mb))
        answer = gateway.answering.start(_call(asked, caller_of(request)), arrived)
        rendering = _Rendering(asked, answer)
        if asked.stream:
            return stream(gateway, answer, CHAT, rendering.piece, rendering.end)
        return await whole(answer, request, rendering.whole)

    return router


class _Rendering:
    """One answer in OpenAI's JSON, whole or as events."""

    def __init__(self, asked: ChatRequest, answer: Answer) -> None:
        self._answer = answer
        self._logprobs = bool(asked.logprobs)
        self._with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)
        kind = "chat.completion.chunk" if asked.stream else "chat.completion"
        self._heading = Heading(f"chat{answer.id}", answer.created, answer.model.name, kind)
        self._begun: set[int] = set()

    def whole(self, choices: list[ChoiceText]) -> dict[str, Any]:
        """The whole answer."""
        shown = [
            self._choice(choice, message={"role": "assistant", "content": choice.text, "refusal": None})
            for choice in choices
        ]
        return self._heading.answer(shown, usage=usage_json(self._answer.usage))

    def piece(self, piece: Piece) -> bytes:
        """The event of a piece; the first one of a choice says who speaks."""
        delta = {"content": piece.text} if piece.text else {}
        if piece.choice not in self._begun:
            self._begun.add(piece.choice)
            delta = {"role": "assistant", "content": piece.text}
        usage: dict[str, Any] = {"usage": None} if self._with_usage else {}
        return event(self._heading.answer([self._choice(piece, delta=delta)], **usage))

    def end(self) -> bytes:
        """What comes after the last piece."""
        usage = event(self._heading.answer([], usage=usage_json(self._answer.usage))) if self._with_usage else b""
        return usage + DONE

    def _choice(self, said: Piece | ChoiceText, **what: dict[str, Any]) -> dict[str, Any]:
        index = said.choice if isinstance(said, Piece) else said.index
        logprobs = chat_logprobs_json(said.tokens) if self._logprobs else None
        return {"index": index, **what, "logprobs": logprobs, "finish_reason": said.finish}


def _call(asked: ChatRequest, caller: Caller) -> Call:
    options = CompletionOptions(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        top_k=asked.top_k or 0,
        seed=asked.seed,
        choices=asked.n or 1,
        logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
        stop=asked.stops(),
    )
    return Call(
        protocol="chat",
        caller=replace(caller, user=caller.user or asked.user or ""),
        texts=(asked.conversation(),),
        options=options,
        model=asked.model,
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
    )
