"""OpenAI's chat: POST /v1/chat/completions.

For models that were trained to converse. A model that only completes code refuses (400, `not_a_chat_model`): an answer
it makes up about a conversation would look like one, and be none.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ownlm.serve.answering import Answer
from ownlm.serve.call import Call, Caller
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.chat_answer import ChatJson, chat_logprobs_json
from ownlm.serve.protocols.chat_request import ChatRequest, parse_chat
from ownlm.serve.protocols.openai_answer import Heading
from ownlm.serve.protocols.openai_shared import OpenAiRendering, options_of
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import respond

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
        return await respond(gateway, request, _Rendering(asked, answer), streamed=bool(asked.stream))

    return router


class _Rendering(OpenAiRendering):
    """One answer to a conversation."""

    def __init__(self, asked: ChatRequest, answer: Answer) -> None:
        kind = "chat.completion.chunk" if asked.stream else "chat.completion"
        super().__init__(asked, answer, Heading(f"chat{answer.id}", answer.created, answer.model.name, kind))
        self._logprobs = bool(asked.logprobs)
        self._begun: set[int] = set()

    def choice(self, choice: Piece) -> dict[str, Any]:
        """See `OpenAiRendering.choice`."""
        return self._shown(choice, message={"role": "assistant", "content": choice.text, "refusal": None})

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """See `OpenAiRendering.chunk`; the first one of a choice says who speaks."""
        delta = {"content": piece.text} if piece.text else {}
        if piece.choice not in self._begun:
            self._begun.add(piece.choice)
            delta = {"role": "assistant", "content": piece.text}
        return self._shown(piece, delta=delta)

    def _shown(self, said: Piece, **what: dict[str, Any]) -> dict[str, Any]:
        logprobs = chat_logprobs_json(said.tokens) if self._logprobs else None
        return {"index": said.choice, **what, "logprobs": logprobs, "finish_reason": said.finish}


def _call(asked: ChatRequest, caller: Caller) -> Call:
    return Call(
        protocol="chat",
        caller=caller.called(asked.user),
        texts=(asked.conversation(),),
        options=options_of(asked, (asked.top_logprobs or 0) if asked.logprobs else None),
        model=asked.model,
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
    )
