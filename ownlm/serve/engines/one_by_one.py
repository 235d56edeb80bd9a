"""Any engine as one for many requests: each is computed alone, some threads at a time.

Alone, a request meets the same shapes every time, so its tokens are the same to the last bit whatever else is asked.
CTranslate2 computed in batches is twice as fast, but has no seeds there, and its near ties depend on the batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep, OnStep


class OneByOne:
    """An `Engine` as a `BatchEngine`.

    Args:
        engine: computes one request a thread.
        threads: at a time.
    """

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine, self._threads = engine, threads
        self._lock = threading.Lock()

    def generate_batch(self, requests: Sequence[GenerationRequest], on_step: OnStep) -> None:
        """See `BatchEngine.generate_batch`."""

        def one(index: int) -> None:
            def told(step: GenerationStep) -> bool:
                with self._lock:
                    return on_step(replace(step, choice=index))

            self._engine.generate(replace(requests[index], choices=1, top_logprobs=None), told)

        with ThreadPoolExecutor(self._threads, thread_name_prefix="generate") as pool:
            list(pool.map(one, range(len(requests))))

    def score_batch(
        self, sequences: Sequence[tuple[Sequence[int], int]], on_done: Callable[[int], None]
    ) -> list[float]:
        """See `BatchEngine.score_batch`."""

        def one(index: int) -> float:
            tokens, first = sequences[index]
            score = sum(token.logprob for token in self._engine.score(tokens, 0)[first - 1 :])
            with self._lock:
                on_done(index)
            return score

        with ThreadPoolExecutor(self._threads, thread_name_prefix="score") as pool:
            return list(pool.map(one, range(len(sequences))))
