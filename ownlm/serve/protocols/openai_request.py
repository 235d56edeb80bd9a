"""The body of POST /v1/completions, checked: what is wrong is said in one sentence, naming the field.

Fields of theirs that this server does not implement are accepted with their neutral value only. Three fields are ours:
`top_k`; `fim_order`, the layout used when there is a suffix; `trim`, to end and trim the text as editors are given it.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from ownlm.serve.config import FimOrder
from ownlm.serve.protocols.body import MOST_STOPS, Seed, Stops, Strict, Temperature, parse
from ownlm.serve.protocols.errors import ApiError

MOST_LOGPROBS = 20

TokenId = Annotated[int, Field(ge=0)]

_EXPECTED = {
    "prompt": "must be a text, a list of texts, a list of token ids, or a list of such lists",
    "stop": f"must be a text or a list of at most {MOST_STOPS} texts, none of them empty",
}


class StreamOptions(Strict):
    """What a stream holds beside text."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None  # OpenAI's padding against traffic analysis: accepted, not done


class CompletionRequest(Strict):
    """POST /v1/completions."""

    model: str
    prompt: str | list[str] | list[TokenId] | list[list[TokenId]]
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=0)
    temperature: Temperature | None = None
    top_p: float | None = Field(None, gt=0, le=1)
    n: int | None = Field(None, ge=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: int | None = Field(None, ge=0, le=MOST_LOGPROBS)
    echo: bool | None = None
    stop: Stops = None
    seed: Seed | None = None
    user: str | None = None
    best_of: int | None = Field(None, ge=1)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    top_k: int | None = Field(None, ge=0)
    fim_order: FimOrder | None = None
    trim: bool | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name in ("presence_penalty", "frequency_penalty", "logit_bias"):
            if getattr(self, name):
                raise ApiError(400, f"{name} is not supported by this server.", param=name, code="unsupported")
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise ApiError(
                400, "best_of is not supported: leave it out, or set it to n.", param="best_of", code="unsupported"
            )
        self.prompts()
        if self.suffix and self.echo:
            raise ApiError(400, "echo cannot be combined with suffix.", param="echo")
        if self.suffix and not isinstance(self.prompt, str):
            raise ApiError(400, "suffix needs a prompt that is one text.", param="suffix")
        if self.trim and (self.echo or not isinstance(self.prompt, str)):
            raise ApiError(400, "trim needs a prompt that is one text, without echo.", param="trim")
        if self.stream_options is not None and not self.stream:
            raise ApiError(400, "stream_options needs stream to be true.", param="stream_options")
        if self.max_tokens == 0 and not self.echo:
            raise ApiError(400, "max_tokens must be at least 1, unless echo is true.", param="max_tokens")
        return self

    def prompts(self) -> list[str] | list[tuple[int, ...]]:
        """The prompts: all texts, or all token ids.

        Raises:
            ApiError: when there is none, or one is empty with no suffix to fill towards.
        """
        prompt = self.prompt
        if isinstance(prompt, str):
            if not prompt and not self.suffix:
                raise ApiError(400, "prompt is empty: there is nothing to complete.", param="prompt")
            return [prompt]
        if not prompt or any(item in ("", []) for item in prompt):
            raise ApiError(400, "prompt is empty: there is nothing to complete.", param="prompt")
        if isinstance(prompt[0], int):
            return [tuple(prompt)]
        if isinstance(prompt[0], str):
            return list(prompt)
        return [tuple(ids) for ids in prompt]


def parse_completion(body: bytes) -> CompletionRequest:
    """Read a request body.

    Raises:
        ApiError: 400, when it is not JSON or not a completion request. The message never quotes the body.
    """
    return parse(CompletionRequest, body, _EXPECTED)
