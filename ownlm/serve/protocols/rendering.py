"""What the answers of all protocols share: choices whose pieces are joined, whole answers, and streams of events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ownlm.serve.answering import Answer
from ownlm.serve.completion import Piece, ScoredToken
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import EventStream
from ownlm.serve.protocols.errors import ApiError, internal

CLIENT_CLOSED_REQUEST = 499
"""What the metrics count a request as whose client left before the answer (nginx's number; nobody receives it)."""

DONE = b"data: [DONE]\n\n"
"""The last event of OpenAI's and Mistral's streams."""


@dataclass
class ChoiceText:
    """Pieces of one choice, joined.

    Attributes:
        index: of the choice.
        text: so far.
        tokens: with their scores, where these were asked for.
        finish: why it ended; None while it goes on.
    """

    index: int
    text: str = ""
    tokens: list[ScoredToken] = field(default_factory=list)
    finish: str | None = None

    def add(self, piece: Piece) -> None:
        """The next piece."""
        self.text += piece.text
        self.tokens += piece.tokens
        self.finish = piece.finish or self.finish


def unwatched(piece: Piece) -> None:
    """Nobody wants to see the pieces."""


async def whole(
    answer: Answer,
    request: Request,
    render: Callable[[list[ChoiceText]], Any],
    on_piece: Callable[[Piece], None] = unwatched,
) -> Response:
    """The whole answer as JSON, or nothing when the client leaves first.

    Args:
        answer: what is told.
        request: whose client may leave.
        render: the JSON of all choices.
        on_piece: sees each piece when it comes.
    """
    choices = [ChoiceText(index) for index in range(answer.choices)]

    def add(piece: Piece) -> None:
        on_piece(piece)
        choices[piece.choice].add(piece)

    if not await answer.whole(request, add):
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return JSONResponse(render(choices))


def stream(
    gateway: Gateway,
    answer: Answer,
    path: str,
    on_piece: Callable[[Piece], bytes],
    on_end: Callable[[], bytes] = bytes,
) -> EventStream:
    """The answer as server-sent events. An error on the way is an event, for the status is long sent.

    Args:
        gateway: logs errors.
        answer: what is told.
        path: the address that was asked: errors are in its clients' shape.
        on_piece: the event, or events, of a piece.
        on_end: events after the last piece.
    """

    async def events() -> AsyncIterator[bytes]:
        try:
            async for pieces in answer.pieces():
                yield b"".join(map(on_piece, pieces))
            yield on_end()
        except ApiError as refusal:
            yield event(refusal.body(path))
        except Exception as error:
            yield event(internal(gateway.log_internal(error)).body(path))

    return EventStream(events(), answer.cancel, answer.ready)


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
