"""What POST /v1/completions answers: whole, or as server-sent events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ownlm.serve.answering import Usage
from ownlm.serve.completion import ScoredToken


class UsageJson(TypedDict):
    """Tokens of an answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class LogprobsJson(TypedDict):
    """Log-probabilities: lists side by side, one item a token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class ChoiceJson(TypedDict):
    """One continuation, or a piece of it."""

    index: int
    text: str
    logprobs: LogprobsJson | None
    finish_reason: str | None


class CompletionJson(TypedDict):
    """The answer of POST /v1/completions, or a chunk of it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChoiceJson]
    usage: NotRequired[UsageJson | None]


class ModelJson(TypedDict):
    """A model one may ask for."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelsJson(TypedDict):
    """All of them."""

    object: str
    data: list[ModelJson]


@dataclass(frozen=True)
class Heading:
    """What every chunk of one answer repeats."""

    id: str
    created: int
    model: str
    object: str = "text_completion"

    def answer(self, choices: list[Any], **more: Any) -> dict[str, Any]:
        """An answer or a chunk of one."""
        heading = {"id": self.id, "object": self.object, "created": self.created, "model": self.model}
        return {**heading, "choices": choices, **more}


def usage_json(usage: Usage) -> UsageJson:
    """Tokens of an answer, as answers show them."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.generated,
        "total_tokens": usage.prompt + usage.generated,
    }


def choice_json(index: int, text: str, tokens: Iterable[ScoredToken] | None, finish: str | None) -> ChoiceJson:
    """A choice of an answer or a chunk. `tokens=None`: log-probabilities were not asked for."""
    logprobs = None if tokens is None else logprobs_json(list(tokens))
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def logprobs_json(tokens: list[ScoredToken]) -> LogprobsJson:
    """Log-probabilities as the completions protocol lays them out: lists side by side."""
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [token.top for token in tokens],
        "text_offset": [token.offset for token in tokens],
    }
