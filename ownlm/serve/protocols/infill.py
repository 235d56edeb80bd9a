"""llama.cpp's server as llama.vim and llama.vscode use it: POST /infill, GET /props. GET /health is everybody's.

A warm-up (`n_predict: 0`, nothing around the cursor, only code from elsewhere) is answered at once and computes
nothing. How much of that code a prompt takes depends on the text around the cursor: read alone it is seldom what a
later prompt begins with, and it would hold up who types. That it could help some models was not measured.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ownlm.serve.answering import Answer, Usage
from ownlm.serve.call import Call, Caller, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import EDITOR_TEMPERATURE, parse
from ownlm.serve.protocols.infill_answer import Clock, InfillJson, PropsJson, chosen, infill_json
from ownlm.serve.protocols.infill_request import InfillRequest
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import Rendering, event, respond

INFILL = "/infill"
_EXPECTED = {"stop": "must be a list of texts, none of them empty"}


def infill_router(gateway: Gateway) -> APIRouter:
    """The routes of the protocol."""
    router = APIRouter(tags=["llama.cpp"])

    @router.post(
        INFILL,
        **documented("Fill in at the cursor (llama.cpp).", body=InfillRequest, answer=InfillJson, events=True),
    )
    async def infill(request: Request) -> Response:
        arrived = time.perf_counter()
        caller = caller_of(request)
        asked = parse(InfillRequest, await read_body(request, gateway.config.max_body_mb), _EXPECTED)
        if asked.warm_up:
            said = infill_json(gateway.model.name, Usage(), Piece(0, finish="length"), Clock(arrived))
            return JSONResponse(chosen(said, asked.response_fields))
        answer = gateway.answering.start(_call(asked, caller), arrived)
        return await respond(gateway, request, _Rendering(asked, answer, arrived), streamed=bool(asked.stream))

    @router.get("/props", **documented("What the server is (llama.cpp).", answer=PropsJson))
    async def props(request: Request) -> Response:
        model = gateway.model
        return JSONResponse(
            {
                "default_generation_settings": {"n_ctx": model.context},
                "total_slots": gateway.config.parallel,
                "model_alias": model.name,
                "model_path": model.name,
                "build_info": f"ownlm-{version('ownlm')}",
            }
        )

    return router


class _Rendering(Rendering):
    """One answer in llama.cpp's JSON, whole or as events."""

    def __init__(self, asked: InfillRequest, answer: Answer, arrived: float) -> None:
        super().__init__(answer)
        self._asked, self._clock = asked, Clock(arrived)

    def add(self, piece: Piece) -> None:
        """See `Rendering.add`; the answer tells when pieces came."""
        self._clock.tick()
        super().add(piece)

    def whole(self) -> dict[str, Any]:
        """See `Rendering.whole`."""
        return chosen(self._final(self.choices[0]), self._asked.response_fields)

    def piece(self, piece: Piece) -> bytes:
        """See `Rendering.piece`."""
        self.add(piece)
        if not piece.text:
            return b""
        shown = {"index": 0, "content": piece.text, "tokens": [], "stop": False, "id_slot": 0}
        return event({**shown, "tokens_evaluated": self.answer.usage.prompt})

    def end(self) -> bytes:
        """The last event: everything but the text."""
        return event(self._final(Piece(0, finish=self.choices[0].finish)))

    def _final(self, choice: Piece) -> InfillJson:
        cut = any(prompt.cut for prompt in self.answer.prompts)
        return infill_json(self.answer.model.name, self.answer.usage, choice, self._clock, cut)


def _call(asked: InfillRequest, caller: Caller) -> Call:
    options = CompletionOptions(
        temperature=EDITOR_TEMPERATURE if asked.temperature is None else asked.temperature,
        top_p=asked.top_p or 1.0,
        top_k=max(asked.top_k or 0, 0),
        seed=None if asked.seed == -1 else asked.seed,
        stop=tuple(asked.stop or ()),
    )
    return Call(
        protocol="llama.cpp",
        caller=caller,
        texts=(asked.context(),),
        options=options,
        model=asked.model or "",
        max_tokens=asked.n_predict if (asked.n_predict or 0) > 0 else None,
        tidy=True,
        deadline_s=asked.deadline_s(),
    )
