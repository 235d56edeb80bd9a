"""vLLM, or any server that speaks OpenAI's completions, as the engine: token ids to /v1/completions, streamed back.

    vllm serve RUN/huggingface --port 8000
    serve: {engine: http, engine_url: http://127.0.0.1:8000}

What comes back are texts, and an engine gives ids. Three cases, by what the server is (its `owned_by`):

- vLLM is asked for the ids of what it makes (`return_token_ids`), so nothing is lost.
- A server that gives log-probabilities names each token by its text (our own gateway, and OpenAI's form): where these
  are the exact texts of tokens of the vocabulary, the ids are looked up, one token has one text. Half characters are
  told as `bytes:\\xe2\\x82`.
- Where only text comes back, it is encoded again, piece by piece. The text is right; lost are the tokens themselves
  (their number, so `max_tokens` is the server's count), log-probabilities, and half characters at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ownlm.errors import EngineError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, OnStep, TokenScore, never
from ownlm.serve.engines.remote import Remote
from ownlm.tokens.vocabulary.load import Vocabulary

_COMPLETIONS = "/v1/completions"
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
Made = tuple[int, TokenScore | None]


class HttpEngine:
    """A server that completes with our model.

    Args:
        folder: where the model's tokenizer.json is.
        config: the server's address, the model's name there, the variable that holds the key.

    Raises:
        ArtifactError: the folder is damaged.
        ServerError: the server does not answer, or has no model of that name.
    """

    def __init__(self, folder: Path, config: ServeConfig) -> None:
        self._vocabulary = Vocabulary.load(folder)
        special = self._vocabulary.special
        self._ids = {text: number for number, text in enumerate(self._vocabulary.token_bytes) if text}
        self._ids |= {name.encode(): number for number, name in enumerate(special.names)}
        self._remote = Remote(config)
        with self._remote.opening():
            self._model, self._is_vllm = self._find(config.engine_model)

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """See `Engine.generate`. All choices are one request."""
        choices = [_Choice(request, on_step, index) for index in range(request.choices)]
        for event in self._remote.events(_COMPLETIONS, self._body(request), cancelled):
            for part in event.get("choices", ()):
                choice = choices[part["index"]]
                if not choice.ended:
                    made, exact = self._made(part, request)
                    choice.give(made, part.get("finish_reason"), self._end(part, request), counts=exact)
            if all(choice.ended for choice in choices):
                return
        if not cancelled() and not all(choice.ended for choice in choices):
            raise EngineError("the engine's server ended before its answer did", where=self._remote.url)

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """See `Engine.score`.

        Raises:
            EngineError: the server gives no log-probabilities of a prompt.
        """
        if len(tokens) < 2:
            return []
        body = {"model": self._model, "prompt": list(tokens), "max_tokens": 0, "echo": True, "logprobs": top_logprobs}
        if self._is_vllm:
            body["return_tokens_as_token_ids"] = True
        try:
            said = self._remote.ask(_COMPLETIONS, body)["choices"][0]["logprobs"]
            made = self._scored(said, top_logprobs)[1:] if said else []
        except (LookupError, TypeError) as error:
            raise self._unreadable() from error
        if len(made) != len(tokens) - 1:
            raise EngineError("the engine's server gives no log-probabilities of a prompt", where=self._remote.url)
        return [score for _, score in made if score is not None]

    def close(self) -> None:
        """See `Engine.close`."""
        self._remote.close()

    def _find(self, wanted: str) -> tuple[str, bool]:
        """The model's name at the server, and whether that is vLLM."""
        listed = self._remote.ask("/v1/models")
        models = {str(one["id"]): one for one in listed.get("data", ())} if isinstance(listed, dict) else {}
        name = wanted or next(iter(models), "")
        if name not in models:
            known = ", ".join(models) or "none"
            raise ServerError(
                f"the engine's server has no model {name!r}" if name else "the engine's server has no model",
                where=self._remote.url,
                advice=f"set serve.engine_model; it has: {known}",
            )
        return name, models[name].get("owned_by") == "vllm"

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "prompt": list(request.prompt),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "n": request.choices,
            "stream": True,
            # For their tokens: a server that knows none of vLLM's fields names them here only.
            "logprobs": (None if self._is_vllm else 0) if request.top_logprobs is None else request.top_logprobs,
        }
        if request.seed is not None:
            body["seed"] = request.seed
        if request.top_k:
            body["top_k"] = request.top_k
        if self._is_vllm:
            stops = sorted(request.stop_ids)
            body |= {"return_token_ids": True, "return_tokens_as_token_ids": True, "stop_token_ids": stops}
        return {name: value for name, value in body.items() if value is not None}

    def _made(self, part: dict[str, Any], request: GenerationRequest) -> tuple[list[Made], bool]:
        """The tokens of one event of one choice, and whether they are the server's own."""
        try:
            said = part.get("logprobs")
            if said and said.get("tokens"):
                made = self._scored(said, request.top_logprobs or 0)
                return made if request.top_logprobs is not None else [(token, None) for token, _ in made], True
            if "token_ids" in part:
                return [(token, None) for token in part["token_ids"] or ()], True
            text = part.get("text") or ""
            return [(token, None) for token in self._vocabulary.encode(text)], not text
        except _UnknownTokenError:
            return [(token, None) for token in self._vocabulary.encode(part.get("text") or "")], False
        except (LookupError, TypeError, ValueError) as error:
            raise self._unreadable() from error

    def _scored(self, said: dict[str, Any], top_logprobs: int) -> list[Made]:
        """Tokens and scores of OpenAI's `logprobs`. vLLM lists the token itself beside the likeliest ones."""
        tops = said.get("top_logprobs") or [None] * len(said["tokens"])
        made: list[Made] = []
        for text, logprob, top in zip(said["tokens"], said["token_logprobs"], tops, strict=True):
            best = sorted(((self._id(one), float(value)) for one, value in (top or {}).items()), key=_likeliest)
            score = None if logprob is None else TokenScore(float(logprob), tuple(best[:top_logprobs]))
            made.append((self._id(text), score))
        return made

    def _id(self, text: str) -> int:
        if text.startswith("token_id:"):
            return int(text.removeprefix("token_id:"))
        raw = text.encode()
        if text.startswith("bytes:"):
            raw = bytes(int(one, 16) for one in _ESCAPED.findall(text))
        try:
            return self._ids[raw]
        except KeyError:
            raise _UnknownTokenError from None

    def _end(self, part: dict[str, Any], request: GenerationRequest) -> int:
        """The token that ended a choice, where the server says it; else the end of text."""
        reason = part.get("stop_reason")
        return (
            reason if isinstance(reason, int) and reason in request.stop_ids else self._vocabulary.special.end_of_text
        )

    def _unreadable(self) -> EngineError:
        return EngineError("the engine's server answers in a form that is not OpenAI's", where=self._remote.url)


class _UnknownTokenError(Exception):
    """A text that is no token of the vocabulary."""


class _Choice:
    """One choice as it grows: tokens out, and why it ended."""

    def __init__(self, request: GenerationRequest, on_step: OnStep, index: int) -> None:
        self.ended = False
        self._request, self._on_step, self._index = request, on_step, index
        self._given = 0

    def give(self, made: Sequence[Made], finish: str | None, end: int, *, counts: bool) -> None:
        """Give out tokens; with `finish`, end the choice, by the token `end` where its own last one does not.

        `counts` is false for text that was encoded again: the server's count of tokens is another.
        """
        for token, score in made:
            self._given += counts
            stops, last = token in self._request.stop_ids, counts and self._given == self._request.max_tokens
            self._step(token, score, "stop" if stops else "length" if last else None)
            if self.ended:
                return
        if finish is not None:
            self._step(end, None, "length" if finish == "length" else "stop")

    def _step(self, token: int, score: TokenScore | None, finish: FinishReason | None) -> None:
        self.ended = self._on_step(GenerationStep(self._index, token, score, finish)) or finish is not None


def _likeliest(one: tuple[int, float]) -> tuple[float, int]:
    return -one[1], one[0]
