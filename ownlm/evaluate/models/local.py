"""A model that is computed here: prompts, batches of an engine, text that ends before the first stop.

    request ─► PromptBuilder (as serving builds it) ─► engine, batched ─► AnswerText ─► answer

Prompt and answer are laid out by serving's own code: what is measured is what a person gets. Equal requests are
computed once. A text is scored in the same tokens in which it would be generated: the blank at a prompt's end belongs
to what follows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Literal

from ownlm.errors import EvaluationError
from ownlm.evaluate.models.base import Answer, Request
from ownlm.pipeline.progress import Task
from ownlm.serve.engines.base import BatchEngine, GenerationRequest, GenerationStep
from ownlm.serve.prompt.build import Prompt, PromptBuilder
from ownlm.serve.prompt.text import AnswerText
from ownlm.tokens.vocabulary.load import Vocabulary

LEFT_OF_WINDOW = 0.25
"""Part of the context that a scored window keeps for what stands before it, where not all fits."""


@dataclass(frozen=True)
class Language:
    """What a model's tokens mean.

    Attributes:
        vocabulary: text to ids and back.
        context: tokens the model was trained to see at once.
        fills: why it cannot fill in the middle, in a sentence; "" where it can.
        order: layout of a prompt with a suffix.
        stop_ids: tokens that end an answer: all that stand for no text.
    """

    vocabulary: Vocabulary
    context: int
    fills: str
    order: Literal["suffix_first", "prefix_first"]
    stop_ids: frozenset[int]


class LocalModel:
    """See `Model`.

    Args:
        name: as tables call it.
        identity: what pins it down.
        language: what its tokens mean.
        engine: computes them.
    """

    def __init__(self, name: str, identity: Mapping[str, str], language: Language, engine: BatchEngine) -> None:
        self.name, self.identity = name, identity
        self._language, self._engine = language, engine
        self._prompts = PromptBuilder(language.vocabulary, language.context)

    @property
    def parts(self) -> tuple[Language, BatchEngine]:
        """What its tokens mean, and what computes them."""
        return self._language, self._engine

    def answer(self, requests: Sequence[Request], task: Task) -> list[Answer]:
        """See `Model.answer`.

        Raises:
            EvaluationError: a request has a suffix, and the model was not trained to fill in the middle.
            InputError: a text is not valid Unicode.
        """
        if self._language.fills and any(request.suffix for request in requests):
            raise EvaluationError(
                f"This model cannot be asked to fill in the middle: {self._language.fills}.",
                where=self.name,
                advice="leave infilling suites out for it",
            )
        same: dict[Request, list[int]] = {}
        for index, request in enumerate(requests):
            same.setdefault(_plain(request), []).append(index)
        writing = [_Writing(self._language, self._prompt(request), request) for request in same]
        places = list(same.values())

        def on_step(step: GenerationStep) -> bool:
            ended = writing[step.choice].push(step)
            if ended or step.finish is not None:
                task.advance(len(places[step.choice]))
            return ended

        self._engine.generate_batch([one.request for one in writing], on_step)
        answers: list[Answer | None] = [None] * len(requests)
        for one, indices in zip(writing, places, strict=True):
            for index in indices:
                answers[index] = one.answer()
        return [answer for answer in answers if answer is not None]

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]], task: Task) -> list[float]:
        """See `Model.log_likelihoods`. An empty second text has probability 1."""
        cut = [self._windows(*pair) for pair in pairs]
        left = [len(one) for one in cut]
        owners = [index for index, one in enumerate(cut) for _ in one]
        task.advance(left.count(0))

        def on_done(index: int) -> None:
            left[owners[index]] -= 1
            task.advance(left[owners[index]] == 0)

        totals = [0.0] * len(pairs)
        scores = self._engine.score_batch([window for one in cut for window in one], on_done)
        for owner, nats in zip(owners, scores, strict=True):
            totals[owner] += nats
        return [total / log(2) for total in totals]

    def _prompt(self, request: Request) -> Prompt:
        return self._prompts.text(request.prefix, request.suffix, request.max_tokens, self._language.order)

    def _windows(self, first: str, second: str) -> list[tuple[list[int], int]]:
        """Tokens of both texts, cut to the context so that every token of the second is scored once."""
        blank = first[-1:] if first.endswith((" ", "\t")) else ""
        vocabulary = self._language.vocabulary
        before, after = vocabulary.encode_batch([first.removesuffix(blank), blank + second])
        return windows([vocabulary.special.end_of_text, *before], after, self._language.context) if second else []


def windows(before: list[int], after: list[int], context: int) -> list[tuple[list[int], int]]:
    """Cut `before + after` so that each token of `after` is scored in one window, with what fits before it.

    Returns:
        (tokens, index of the first scored one) of each window; at most `context` of them are read by the model.
    """
    stream, scored = [*before, *after], len(before)
    kept = max(1, int(context * LEFT_OF_WINDOW))
    cut = []
    while scored < len(stream):
        start = max(0, min(scored - kept, len(stream) - context - 1))
        stop = min(len(stream), start + context + 1)
        cut.append((stream[start:stop], scored - start))
        scored = stop
    return cut


class _Writing:
    """An answer as it grows."""

    def __init__(self, language: Language, prompt: Prompt, request: Request) -> None:
        self._bytes = language.vocabulary.token_bytes
        self._cut = prompt.cut
        self._text = AnswerText(prompt.taken_back, tuple(stop for stop in request.stops if stop))
        self._pieces: list[str] = []
        self._finish: Literal["stop", "length"] = "length"
        self.request = GenerationRequest(
            prompt=prompt.ids,
            max_tokens=prompt.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop_ids=language.stop_ids,
        )

    def push(self, step: GenerationStep) -> bool:
        """Take a token; whether the answer has ended with it."""
        if step.finish != "stop":
            self._pieces.append(self._text.push(self._bytes[step.token]))
        if step.finish == "stop" or self._text.stopped:
            self._finish = "stop"
        return self._text.stopped

    def answer(self) -> Answer:
        """Once it has ended."""
        self._pieces.append(self._text.flush())
        return Answer("".join(self._pieces), self._finish, self._cut)


def _plain(request: Request) -> Request:
    """Requests with equal answers are equal: greedy ones draw nothing."""
    return request if request.temperature > 0 else replace(request, top_p=1.0, seed=0)
