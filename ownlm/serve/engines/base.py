"""What an engine is: prompt tokens in, generated tokens out one by one, stopped at any step.

Serving answers one request at a time (`Engine`); evaluation and whoever samples much hands over many (`BatchEngine`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt and how to continue it.

    Attributes:
        prompt: token ids, at least one.
        max_tokens: new tokens of each choice, at least one.
        temperature: 0 takes the likeliest token; otherwise logits are divided by it before sampling.
        top_p: sample among the likeliest tokens whose probabilities just reach this sum.
        top_k: sample among this many likeliest tokens; 0 for all.
        seed: the same seed gives the same tokens, whatever else is being computed; None draws anew.
        choices: independent continuations.
        top_logprobs: None for no log-probabilities; else how many alternatives to report beside the chosen token.
        stop_ids: tokens that end a choice.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    choices: int = 1
    top_logprobs: int | None = None
    stop_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class TokenScore:
    """Natural log-probability of a token before temperature, top_k and top_p, and of the likeliest alternatives."""

    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class GenerationStep:
    """One generated token.

    Attributes:
        choice: index of the continuation it belongs to.
        token: its id. With `finish="stop"` it is a stop token and stands for no text.
        score: set when the request asks for log-probabilities.
        finish: why the choice ends here; None when it goes on.
    """

    choice: int
    token: int
    score: TokenScore | None = None
    finish: FinishReason | None = None


OnStep = Callable[[GenerationStep], bool]
"""Called for every step, in the engine's thread. Returns True to end that choice at once."""


def never() -> bool:
    """Nobody cancels."""
    return False


class Engine(Protocol):
    """Computes tokens. Safe to call from several threads; one that batches merges their calls inside."""

    def generate(self, request: GenerationRequest, on_step: OnStep, cancelled: Callable[[], bool] = never) -> None:
        """Generate until every choice has ended. An exception of `on_step` ends all and is raised here.

        Args:
            request: what to continue.
            on_step: called for every token.
            cancelled: may be asked at any time, in any thread, also while the prompt is read; once it says True nobody
                waits for the answer, and the call returns as soon as the engine can.

        Raises:
            EngineError: the engine is gone or broke; tokens given out so far are right.
        """
        ...

    def score(self, tokens: Sequence[int], top_logprobs: int) -> list[TokenScore]:
        """Scores of `tokens[1:]`, each given all tokens before it."""
        ...

    def close(self) -> None:
        """Give back memory, threads and connections. No call is under way, and none comes after."""
        ...


class BatchEngine(Protocol):
    """Computes tokens for many requests at once."""

    def generate_batch(self, requests: Sequence[GenerationRequest], on_step: OnStep) -> None:
        """Continue every request, each in one choice; a step's `choice` is the index of its request.

        A request with a seed, or of temperature 0, gets the same tokens whatever else is in the batch. Steps of one
        request come in their order, those of different requests in any order, but never two at the same time.
        `top_logprobs` is not looked at.
        """
        ...

    def score_batch(
        self, sequences: Sequence[tuple[Sequence[int], int]], on_done: Callable[[int], None]
    ) -> list[float]:
        """Natural log-probability of the end of each sequence given what stands before it.

        Args:
            sequences: tokens, and the index of the first one that counts, at least 1.
            on_done: called with the index of every sequence; never twice at the same time.
        """
        ...
