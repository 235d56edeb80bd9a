"""What POST /v1/chat/completions answers: whole, or as server-sent events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NotRequired

from typing_extensions import TypedDict

from ownlm.serve.completion import ScoredToken
from ownlm.serve.protocols.openai_answer import UsageJson


class TokenJson(TypedDict):
    """A token and how likely it was."""

    token: str
    logprob: float
    bytes: list[int]


class ScoredTokenJson(TokenJson):
    """A token, and what could have stood in its place."""

    top_logprobs: list[TokenJson]


class ChatLogprobsJson(TypedDict):
    """Log-probabilities of a message's tokens."""

    content: list[ScoredTokenJson]
    refusal: None


class MessageJson(TypedDict):
    """What the model says; of a chunk, what is new."""

    role: NotRequired[str]
    content: NotRequired[str]
    refusal: NotRequired[None]


class ChatChoiceJson(TypedDict):
    """One answer of a chat, or a piece of it."""

    index: int
    message: NotRequired[MessageJson]
    delta: NotRequired[MessageJson]
    logprobs: ChatLogprobsJson | None
    finish_reason: str | None


class ChatJson(TypedDict):
    """The answer of POST /v1/chat/completions, or a chunk of it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChatChoiceJson]
    usage: NotRequired[UsageJson | None]


def chat_logprobs_json(tokens: Iterable[ScoredToken]) -> ChatLogprobsJson:
    """Log-probabilities as the chat protocol lays them out: an object a token."""
    content: list[ScoredTokenJson] = [
        {
            **_token_json(token.text, token.logprob or 0.0),
            "top_logprobs": [_token_json(text, logprob) for text, logprob in (token.top or {}).items()],
        }
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _token_json(text: str, logprob: float) -> TokenJson:
    return {"token": text, "logprob": logprob, "bytes": list(_bytes_of(text))}


def _bytes_of(text: str) -> bytes:
    r"""A token's bytes; `bytes:\xe2\x82` is how one is shown that is not whole characters."""
    if re.fullmatch(r"bytes:(\\x[0-9a-f]{2})+", text):
        return bytes.fromhex(text.removeprefix("bytes:").replace("\\x", ""))
    return text.encode()
