"""llama.cpp's server as the engine: token ids to /completion, token ids back, on a GGUF that our export wrote.

    llama-server -m model.gguf --port 8081 --parallel 4     (or python -m ownlm.export.gguf.server)
    serve: {engine: llamacpp, engine_url: http://127.0.0.1:8081}

The server keeps the prompts of its slots (`cache_prompt`) and stops when the connection closes. Two things it does not
tell while it streams, and how they are made up for:

- A token that ends inside a character is not sent; the next one is, with the whole character. The count of tokens then
  jumps, and the ids are asked for once more: the same prompt and seed, not streamed. Such tokens come without scores.
- It gives no log-probabilities of a prompt, so `score` is refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ownlm.errors import EngineError, ServerError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, OnStep, TokenScore, never
from ownlm.serve.engines.remote import Remote
from ownlm.tokens.vocabulary.load import Vocabulary

_PROBE = "def f(x):\n\treturn x[ 12345 ]  # it's né\r\n"


class LlamaCppEngine:
    """A llama.cpp server that has our model.

    Args:
        folder: where the model's tokenizer.json is.
        config: the server's address.

    Raises:
        ArtifactError: the folder is damaged.
        ServerError: the server does not answer, or has another model.
    """

    def __init__(self, folder: Path, config: ServeConfig) -> None:
        vocabulary = Vocabulary.load(folder)
        self._end = vocabulary.special.end_of_text
        self._remote = Remote(config)
        with self._remote.opening():
            self._check(vocabulary)

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """See `Engine.generate`. Choices are computed one after the other; the prompt is read once."""
        seed = random.getrandbits(31) if request.seed is None else request.seed
        for choice in range(request.choices):
            if cancelled():
                return
            self._choice(request, _body(request, (seed + choice) % 2**32), choice, on_step, cancelled)

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """Not to be had.

        Raises:
            EngineError: always, for two tokens or more.
        """
        if len(tokens) < 2:
            return []
        raise EngineError(
            "llama.cpp's server gives no log-probabilities of a prompt",
            where=self._remote.url,
            advice="ask without echo, or serve with the engine ctranslate2",
        )

    def close(self) -> None:
        """See `Engine.close`."""
        self._remote.close()

    def _choice(
        self,
        request: GenerationRequest,
        body: dict[str, Any],
        choice: int,
        on_step: OnStep,
        cancelled: Callable[[], bool],
    ) -> None:
        given = 0
        for event in self._remote.events("/completion", {**body, "stream": True}, cancelled):
            ids: list[int] = event["tokens"]
            made: int = event["tokens_predicted"]
            scores = _scores(event, request)
            if made - given > len(ids):
                ids = self._again(body, made)[given:]
            for place, token in enumerate(ids, len(scores) - len(ids)):
                given += 1
                stops = token in request.stop_ids
                finish: FinishReason | None = "stop" if stops else "length" if given >= request.max_tokens else None
                score = scores[place] if place >= 0 else None
                if on_step(GenerationStep(choice, token, score, finish)) or finish is not None:
                    return
            if event["stop"]:  # before our limit: the end of its context
                on_step(GenerationStep(choice, self._end, None, "stop" if event["stop_type"] == "eos" else "length"))
                return

    def _again(self, body: dict[str, Any], made: int) -> list[int]:
        """The first tokens of an answer whose stream left some out."""
        ids: list[int] = self._remote.ask("/completion", {**body, "n_predict": made})["tokens"]
        if len(ids) < made:
            raise EngineError(
                "llama.cpp's server did not compute the same tokens twice",
                where=self._remote.url,
                advice="ask again; with a GPU, start it with one slot",
            )
        return ids

    def _check(self, vocabulary: Vocabulary) -> None:
        body = {"content": _PROBE, "add_special": False, "parse_special": False}
        if self._remote.ask("/tokenize", body).get("tokens") != vocabulary.encode(_PROBE):
            raise ServerError(
                "the engine's server has a model with another vocabulary",
                where=self._remote.url,
                advice="start it with the model.gguf of this export",
            )


def _body(request: GenerationRequest, seed: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt": list(request.prompt),
        "n_predict": request.max_tokens,
        "temperature": request.temperature,
        "seed": seed,
        "cache_prompt": True,
        "return_tokens": True,
        "samplers": ["temperature", "top_k", "top_p"],  # in our order
        "top_k": request.top_k,
        "top_p": request.top_p,
    }
    if request.top_logprobs is not None:
        body["n_probs"] = max(1, request.top_logprobs)
    return body


def _scores(event: dict[str, Any], request: GenerationRequest) -> list[TokenScore]:
    if request.top_logprobs is None:
        return []
    return [
        TokenScore(
            one["logprob"],
            tuple((top["id"], top["logprob"]) for top in one["top_logprobs"][: request.top_logprobs]),
        )
        for one in event.get("completion_probabilities", [])
    ]
