"""The body of POST /v1/chat/completions, checked as strictly as `openai_request`.

Fields of OpenAI's that this server does not implement are accepted with their neutral value only: text in, text out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ownlm.serve.call import Conversation, Message
from ownlm.serve.protocols.body import MOST_STOPS, Seed, Stops, Strict, Temperature, parse
from ownlm.serve.protocols.errors import ApiError
from ownlm.serve.protocols.openai_request import MOST_LOGPROBS, StreamOptions

MOST_MESSAGES = 1000

Role = Literal["system", "developer", "user", "assistant"]

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "store": (False,),
}
"""What a field of OpenAI's may be here, beside null."""

_EXPECTED = {
    "messages": 'must be a list of objects like {"role": "user", "content": "..."}; roles are system, developer, '
    "user and assistant, and content is a text or a list of parts of type text",
    "stop": f"must be a text or a list of at most {MOST_STOPS} texts, none of them empty",
}


class TextPart(Strict):
    """A part of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(Strict):
    """One turn."""

    role: Role
    content: str | Annotated[list[TextPart], Field(min_length=1)]
    name: str | None = None
    refusal: None = None  # the official client sends a turn back as it got it

    def said(self) -> Message:
        """The turn; a developer's word is the system's."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message("system" if self.role == "developer" else self.role, text)


class ChatRequest(Strict):
    """POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: Temperature | None = None
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    stop: Stops = None
    seed: Seed | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None  # for OpenAI's own dashboards: accepted, not kept
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    store: bool | None = None
    top_k: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, neutral in _NEUTRAL.items():
            value = getattr(self, name)
            if value is not None and value not in neutral:
                raise ApiError(400, f"{name} is not supported by this server.", param=name, code="unsupported")
        if self.stream_options is not None and not self.stream:
            raise ApiError(400, "stream_options needs stream to be true.", param="stream_options")
        if self.top_logprobs is not None and not self.logprobs:
            raise ApiError(400, "top_logprobs needs logprobs to be true.", param="top_logprobs")
        return self

    def conversation(self) -> Conversation:
        """What was said."""
        return Conversation(tuple(message.said() for message in self.messages))


def parse_chat(body: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        ApiError: 400, when it is not JSON or not a chat request. The message never quotes the body.
    """
    return parse(ChatRequest, body, _EXPECTED)
