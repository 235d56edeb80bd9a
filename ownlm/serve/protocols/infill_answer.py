"""What llama.cpp's server answers to POST /infill and GET /props."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ownlm.serve.answering import Usage
from ownlm.serve.completion import Piece


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


@dataclass
class Clock:
    """Seconds of `time.perf_counter`: arrival, and the first and the last piece."""

    arrived: float
    first: float | None = None
    last: float | None = None

    def tick(self) -> None:
        """A piece came."""
        self.last = time.perf_counter()
        self.first = self.first or self.last

    def timings(self, usage: Usage) -> TimingsJson:
        """How long reading took, and writing."""
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


def infill_json(name: str, usage: Usage, choice: Piece, clock: Clock, cut: bool = False) -> InfillJson:
    """The whole answer, or the last event of a stream. `cut`: the prompt did not fit."""
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


def chosen(answer: InfillJson, paths: list[str] | None) -> dict[str, Any]:
    """The fields that were asked for, each under its path ("timings/prompt_n"), as llama.cpp flattens them."""
    if not paths:
        return dict(answer)
    found = {}
    for path in paths:
        value: Any = answer
        for name in path.split("/"):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            found[path] = value
    return found


def _ratio(value: float, by: float) -> float:
    return value / by if by else 0.0
