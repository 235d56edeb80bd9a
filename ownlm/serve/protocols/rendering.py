"""How answers of all protocols are sent: pieces joined to choices, a whole answer, or a stream of events."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ownlm.serve.answering import Answer
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import EventStream
from ownlm.serve.protocols.errors import ApiError, internal

CLIENT_CLOSED_REQUEST = 499
"""What the metrics count a request as whose client left before the answer (nginx's number; nobody receives it)."""

DONE = b"data: [DONE]\n\n"
"""The last event of OpenAI's and Mistral's streams."""


class Rendering(ABC):
    """One answer in a protocol's JSON.

    Attributes:
        answer: what is told.
        choices: of the answer, each as far as it was added: a stream gives its pieces away and need not keep them.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.choices = [Piece(index) for index in range(answer.choices)]

    def add(self, piece: Piece) -> None:
        """Keep the next piece of a choice."""
        self.choices[piece.choice].add(piece)

    @abstractmethod
    def whole(self) -> Any:
        """The JSON of the whole answer."""

    def piece(self, piece: Piece) -> bytes:
        """The event of a piece, b"" for none. A protocol without streams has neither this nor `end`."""
        raise NotImplementedError

    def end(self) -> bytes:
        """Events after the last piece."""
        raise NotImplementedError


async def respond(gateway: Gateway, request: Request, rendering: Rendering, *, streamed: bool = False) -> Response:
    """The answer as its client wants it: server-sent events, or all at once when it is complete.

    Args:
        gateway: logs errors.
        request: what is answered; its client may leave.
        rendering: of the answer.
        streamed: whether events are wanted.
    """
    answer = rendering.answer
    if streamed:
        return EventStream(_events(gateway, request.scope["path"], rendering), answer.cancel, answer.ready)
    if not await answer.whole(request, rendering.add):
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(rendering.whole())


async def _events(gateway: Gateway, path: str, rendering: Rendering) -> AsyncIterator[bytes]:
    """An error on the way is an event, in the shape of the address that was asked: the status is long sent."""
    try:
        async for pieces in rendering.answer.pieces():
            yield b"".join(map(rendering.piece, pieces))  # who reads slowly gets thousands at once
        yield rendering.end()
    except ApiError as refusal:
        yield event(refusal.body(path))
    except Exception as error:
        yield event(internal(gateway.log_internal(error)).body(path))


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
