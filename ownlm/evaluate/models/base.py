"""Who is measured, by one protocol: our checkpoints, exported folders, and anyone's server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ownlm.pipeline.progress import Task


@dataclass(frozen=True)
class Request:
    """Text to continue, or a hole to fill.

    Attributes:
        prefix: text before the cursor.
        suffix: text after it; None to continue only.
        stops: the answer ends before the first of these.
        max_tokens: of the answer.
        temperature: 0 is greedy.
        top_p: likeliest tokens to draw from.
        seed: the same seed gives the same answer, whatever else is being computed.
    """

    prefix: str
    suffix: str | None = None
    stops: tuple[str, ...] = ()
    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """What was written.

    Attributes:
        text: without the stop.
        finish: "stop" (a stop or the model's own end) or "length".
        cut: the prompt was longer than the context and lost its beginning (and the end of its suffix).
    """

    text: str
    finish: Literal["stop", "length"]
    cut: bool = False


class Model(Protocol):
    """Whoever answers. Answers come in the order of the requests.

    Attributes:
        name: as tables call it.
        identity: what pins it down: file hash or URL and model name, engine, precision. Recorded with the score.
    """

    name: str
    identity: Mapping[str, str]

    def answer(self, requests: Sequence[Request], task: Task) -> list[Answer]:
        """Answer all; `task` is advanced by one for each."""
        ...

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]], task: Task) -> list[float]:
        """log2 P(second text | first text), a value a pair; `task` is advanced by one for each.

        Raises:
            EvaluationError: this model does not tell probabilities (a server without `echo` and `logprobs`).
        """
        ...
