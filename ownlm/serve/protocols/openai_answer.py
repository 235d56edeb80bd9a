"""What POST /v1/completions answers: whole, or as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ownlm.serve.answering import Usage
from ownlm.serve.completion import Piece, ScoredToken


@dataclass(frozen=True)
class Heading:
    """What every chunk of one answer repeats."""

    id: str
    created: int
    model: str

    def answer(self, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """An answer or a chunk of one."""
        heading = {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}
        return {**heading, "choices": choices, **more}


def usage_json(usage: Usage) -> dict[str, int]:
    """Tokens of an answer, as answers show them."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.generated,
        "total_tokens": usage.prompt + usage.generated,
    }


@dataclass
class WholeChoice:
    """Pieces of one choice, joined."""

    index: int
    texts: list[str] = field(default_factory=list)
    tokens: list[ScoredToken] = field(default_factory=list)
    finish: str | None = None

    def add(self, piece: Piece) -> None:
        """The next piece."""
        self.texts.append(piece.text)
        self.tokens += piece.tokens
        self.finish = piece.finish or self.finish

    def json(self, with_logprobs: bool) -> dict[str, Any]:
        """As answers show it."""
        return choice_json(self.index, "".join(self.texts), self.tokens if with_logprobs else None, self.finish)


def choice_json(index: int, text: str, tokens: Iterable[ScoredToken] | None, finish: str | None) -> dict[str, Any]:
    """A choice of an answer or a chunk. `tokens=None`: log-probabilities were not asked for."""
    logprobs = None if tokens is None else logprobs_json(list(tokens))
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


def logprobs_json(tokens: list[ScoredToken]) -> dict[str, Any]:
    """Log-probabilities as the completions protocol lays them out: lists side by side."""
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [token.top for token in tokens],
        "text_offset": [token.offset for token in tokens],
    }


def event(value: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
