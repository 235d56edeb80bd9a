"""llama.cpp's server as llama.vim and llama.vscode use it: POST /infill, GET /props. GET /health is everybody's.

A warm-up (`n_predict: 0`, nothing around the cursor, only code from elsewhere) is answered at once and computes
nothing: what a later request begins with is its suffix, so reading code ahead of it fills no cache, and it would hold
up who types.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NotRequired

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from ownlm.serve.answering import Answer, Usage
from ownlm.serve.call import Call, Caller, CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.gateway import Gateway
from ownlm.serve.http import caller_of, read_body
from ownlm.serve.protocols.body import EDITOR_TEMPERATURE, parse
from ownlm.serve.protocols.infill_request import InfillRequest
from ownlm.serve.protocols.openapi import documented
from ownlm.serve.protocols.rendering import ChoiceText, event, stream, whole

INFILL = "/infill"
_EXPECTED = {"stop": "must be a list of texts, none of them empty"}


class TimingsJson(TypedDict):
    """How long reading and writing took; reading lasts until the first text."""

    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class InfillJson(TypedDict):
    """The answer of POST /infill; with `response_fields`, only what they name, under their paths as names."""

    index: NotRequired[int]
    content: NotRequired[str]
    tokens: NotRequired[list[int]]
    id_slot: NotRequired[int]
    stop: NotRequired[bool]
    model: NotRequired[str]
    tokens_predicted: NotRequired[int]
    tokens_evaluated: NotRequired[int]
    tokens_cached: NotRequired[int]
    truncated: NotRequired[bool]
    stop_type: NotRequired[str]
    timings: NotRequired[TimingsJson]


class GenerationSettingsJson(TypedDict):
    """What the plugins look at: the model's context."""

    n_ctx: int


class PropsJson(TypedDict):
    """GET /props."""

    default_generation_settings: GenerationSettingsJson
    total_slots: int
    model_alias: str
    model_path: str
    build_info: str


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
            name = gateway.model.name
            return JSONResponse(_chosen(_final(name, Usage(), ChoiceText(0, finish="length"), _Clock(arrived)), asked))
        answer = gateway.answering.start(_call(asked, caller), arrived)
        rendering = _Rendering(asked, answer, arrived)
        if asked.stream:
            return stream(gateway, answer, INFILL, rendering.piece, rendering.end)
        return await whole(answer, request, rendering.whole, rendering.seen)

    @router.get("/props", **documented("What the server is (llama.cpp).", answer=PropsJson))
    async def props(request: Request) -> Response:
        caller_of(request)
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


@dataclass
class _Clock:
    """Seconds of `time.perf_counter`: arrival, and the first and the last piece."""

    arrived: float
    first: float | None = None
    last: float | None = None

    def tick(self) -> None:
        self.last = time.perf_counter()
        self.first = self.first or self.last

    def timings(self, usage: Usage) -> TimingsJson:
        first = self.first or self.arrived
        prompt_ms = (first - self.arrived) * 1000
        predicted_ms = ((self.last or first) - first) * 1000
        return {
            "prompt_n": usage.prompt,
            "prompt_ms": prompt_ms,
            "prompt_per_token_ms": _ratio(prompt_ms, usage.prompt),
            "prompt_per_second": _ratio(usage.prompt * 1000, prompt_ms),
            "predicted_n": usage.generated,
            "predicted_ms": predicted_ms,
            "predicted_per_token_ms": _ratio(predicted_ms, usage.generated),
            "predicted_per_second": _ratio(usage.generated * 1000, predicted_ms),
        }


class _Rendering:
    """One answer in llama.cpp's JSON, whole or as events."""

    def __init__(self, asked: InfillRequest, answer: Answer, arrived: float) -> None:
        self._asked, self._answer = asked, answer
        self._clock = _Clock(arrived)
        self._choice = ChoiceText(0)

    def seen(self, piece: Piece) -> None:
        """A piece came."""
        self._clock.tick()

    def whole(self, choices: list[ChoiceText]) -> dict[str, Any]:
        """The whole answer."""
        return _chosen(self._final(choices[0]), self._asked)

    def piece(self, piece: Piece) -> bytes:
        """The event of a piece of text."""
        self._clock.tick()
        self._choice.add(piece)
        if not piece.text:
            return b""
        shown = {"index": 0, "content": piece.text, "tokens": [], "stop": False, "id_slot": 0}
        return event({**shown, "tokens_evaluated": self._answer.usage.prompt})

    def end(self) -> bytes:
        """The last event: everything but the text."""
        return event(self._final(ChoiceText(0, finish=self._choice.finish)))

    def _final(self, choice: ChoiceText) -> InfillJson:
        cut = any(prompt.cut for prompt in self._answer.prompts)
        return _final(self._answer.model.name, self._answer.usage, choice, self._clock, cut)


def _final(name: str, usage: Usage, choice: ChoiceText, clock: _Clock, cut: bool = False) -> InfillJson:
    return {
        "index": 0,
        "content": choice.text,
        "tokens": [],
        "id_slot": 0,
        "stop": True,
        "model": name,
        "tokens_predicted": usage.generated,
        "tokens_evaluated": usage.prompt,
        "tokens_cached": usage.prompt + usage.generated,
        "truncated": cut,
        "stop_type": "limit" if choice.finish == "length" else "eos",
        "timings": clock.timings(usage),
    }


def _chosen(answer: InfillJson, asked: InfillRequest) -> dict[str, Any]:
    """The fields that were asked for, each under its path ("timings/prompt_n"), as llama.cpp flattens them."""
    if not asked.response_fields:
        return dict(answer)
    chosen = {}
    for path in asked.response_fields:
        value: Any = answer
        for name in path.split("/"):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            chosen[path] = value
    return chosen


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


def _ratio(value: float, by: float) -> float:
    return value / by if by else 0.0
