"""The CTranslate2 engine: one folder, CPU or GPU, tokens one by one.

Three ways to pick a token, one loop:

- temperature 0: the engine's own greedy search. All choices are the same, computed once.
- temperature > 0, no seed: the engine's own sampler; all choices share one pass over the prompt and decode as a batch.
- temperature > 0 and a seed: **the engine drafts, we choose**. CTranslate2 keeps one random stream per worker thread,
  seeded once in the life of the thread, so it cannot give one request reproducible samples (OpenNMT/CTranslate2#1757).
  Here the engine decodes greedily and hands over its logits; `SeededSampler` chooses from them. Where it chooses what
  the engine drafted, decoding goes on; where it differs, decoding starts again from prompt + chosen tokens.
  Price: one pass over the prompt for each token that is not the likeliest one: rare at the temperatures of code
  completion, every third token or so at temperature 1 (benchmarks/serve.py measures it).

Log-probabilities are computed from the logits, before temperature, so they do not depend on how a token was picked.

While a person types, the beginning of the prompt, which stays, is kept as CTranslate2's `static_prompt`
(`static_prompts` says when, and how the engine is made to forget). Its sums then have other shapes: two tokens that are
nearly a tie (1e-5 of a logit) may change places.

What it does not do: stop while it reads a prompt (there is no callback before the first token).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ownlm.errors import EngineError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines import sampling
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, OnStep, TokenScore, never
from ownlm.serve.engines.ctranslate2_folder import bytes_of_a_position, open_generator, read_vocabulary
from ownlm.serve.engines.static_prompts import StaticPrompts


class Ctranslate2Engine:
    """A model folder written by CTranslate2's converter.

    Args:
        path: the folder with model.bin, config.json and vocabulary.json.
        config: device, number type, threads, generations at a time.

    Raises:
        DependencyError: when the ctranslate2 package is missing.
        ArtifactError: when the folder is incomplete or damaged.
        ServerError: when the device or number type asked for is not there.
    """

    def __init__(self, path: Path, config: ServeConfig) -> None:
        self._tokens = read_vocabulary(path)
        self._opened = [open_generator(path, config)]
        # Its threads let go of their last callback, for which they take the interpreter's lock, a moment after a
        # generation has ended. In a process that ends meanwhile they would be ended by force, and take the process with
        # them (SIGABRT): they are waited for before that, whether somebody calls `close` or not.
        self._end = weakref.finalize(self, self._opened.clear)
        # Byte-level tokens are strings to CTranslate2; ids are their places in vocabulary.json.
        position = bytes_of_a_position(path)
        budget = int(config.prefix_cache_mb * 1e6) // position if position else 0
        self._static = StaticPrompts(budget, self._forget)

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """See `Engine.generate`. `cancelled` is asked before the prompt is read, and at every token."""
        if cancelled():
            return

        def told(step: GenerationStep) -> bool:
            return cancelled() or on_step(step) or cancelled()

        with self._static.of(request.prompt) as static:
            if request.temperature <= 0:
                self._greedy(request, static, told)
            elif request.seed is None:
                self._sampled(request, static, told)
            else:
                for choice in range(request.choices):
                    self._seeded(request, static, request.seed, choice, told)

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """See `Engine.score`. Holds len(tokens) x vocabulary floats while it runs."""
        if len(tokens) < 2:
            return []
        logits_1LV = np.array(self._generator.forward_batch([self._strings(tokens[:-1])]))
        return [
            sampling.score(logits_V, token, top_logprobs)
            for logits_V, token in zip(logits_1LV[0], tokens[1:], strict=True)
        ]

    def close(self) -> None:
        """See `Engine.close`. Waits for its threads."""
        if self._opened:
            self._opened[0].unload_model()
            self._end()

    @property
    def _generator(self) -> Any:
        if not self._opened:
            raise EngineError("the engine is closed", advice="ask the gateway again, or start it again")
        return self._opened[0]

    def _forget(self) -> None:
        """The states of static prompts go with the model; there is no other way."""
        self._generator.unload_model()
        self._generator.load_model()

    def _greedy(self, request: GenerationRequest, static: int, on_step: OnStep) -> None:
        alive = set(range(request.choices))

        def callback(step: Any) -> bool:
            token, score = step.token_id, _score(request, step, step.token_id)
            finish = _finish(request, token, step.step + 1)
            for choice in sorted(alive):
                if on_step(GenerationStep(choice, token, score, finish)):
                    alive.discard(choice)
            return not alive

        self._run(request, request.prompt, static, request.max_tokens, callback, sampling_topk=1)

    def _sampled(self, request: GenerationRequest, static: int, on_step: OnStep) -> None:
        # Only the first choice's callback of a step is given the logits, so log-probabilities ask for one at a time.
        together = request.choices if request.top_logprobs is None else 1
        for first in range(0, request.choices, together):

            def callback(step: Any, first: int = first) -> bool:
                token = step.token_id
                finish = _finish(request, token, step.step + 1)
                return on_step(GenerationStep(first + step.hypothesis_id, token, _score(request, step, token), finish))

            self._run(
                request,
                request.prompt,
                static,
                request.max_tokens,
                callback,
                num_hypotheses=together,
                sampling_topk=request.top_k,
                sampling_topp=request.top_p,
                sampling_temperature=request.temperature,
            )

    def _seeded(self, request: GenerationRequest, static: int, seed: int, choice: int, on_step: OnStep) -> None:
        sampler = sampling.SeededSampler(
            seed, choice, temperature=request.temperature, top_k=request.top_k, top_p=request.top_p
        )
        chosen: list[int] = []
        ended = False

        def callback(step: Any) -> bool:
            nonlocal ended
            logits_V = np.array(step.logits)[0]
            token = sampler.choose(logits_V)
            chosen.append(token)
            finish = _finish(request, token, len(chosen))
            score = None if request.top_logprobs is None else sampling.score(logits_V, token, request.top_logprobs)
            ended = on_step(GenerationStep(choice, token, score, finish)) or finish is not None
            return ended or token != step.token_id

        while not ended:
            tokens = [*request.prompt, *chosen]
            self._run(
                request,
                tokens,
                static,
                request.max_tokens - len(chosen),
                callback,
                sampling_topk=1,
                return_logits_vocab=True,
            )

    def _run(
        self,
        request: GenerationRequest,
        tokens: Sequence[int],
        static: int,
        max_tokens: int,
        callback: Any,
        **options: Any,
    ) -> None:
        """Continue `tokens`; the first `static` of them are, or become, a static prompt."""
        options.setdefault("return_logits_vocab", request.top_logprobs is not None)
        if static:
            options |= {"static_prompt": self._strings(tokens[:static]), "cache_static_prompt": True}
        relay = _Relay(callback)
        try:
            self._generator.generate_batch(
                [self._strings(tokens[static:])],
                max_length=max_tokens,
                include_prompt_in_result=False,  # the prompt is read at once, not token by token
                end_token=sorted(request.stop_ids),
                callback=relay,
                **options,
            )
        finally:
            relay.forget()

    def _strings(self, tokens: Sequence[int]) -> list[str]:
        return [self._tokens[token] for token in tokens]


class _Relay:
    """Hands steps to a callback, and forgets it afterwards.

    The engine's worker thread lets go of its callback a moment after `generate_batch` has returned. A callback that
    reaches this engine may then be what keeps it alive: the worker would destroy its own thread pool, join itself, and
    the process would abort.
    """

    def __init__(self, callback: Callable[[Any], bool]) -> None:
        self._callback: Callable[[Any], bool] | None = callback

    def __call__(self, step: Any) -> bool:
        return self._callback is None or self._callback(step)

    def forget(self) -> None:
        self._callback = None


def _finish(request: GenerationRequest, token: int, generated: int) -> FinishReason | None:
    if token in request.stop_ids:
        return "stop"
    return "length" if generated >= request.max_tokens else None


def _score(request: GenerationRequest, step: Any, token: int) -> TokenScore | None:
    if request.top_logprobs is None:
        return None
    return sampling.score(np.array(step.logits)[0], token, request.top_logprobs)
