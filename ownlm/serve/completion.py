"""One completion: a prompt and options to choices of text, given out piece by piece.

Everything here runs in the engine's thread, so that a stop string or a trimming rule ends the generation at the very
token that completes it. Streaming, whole answers and the command line all take this one way.

    tokens ─► AnswerText: text up to a stop string ─► Trimmer, where an editor asks ─► pieces
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ownlm.serve.call import CompletionOptions
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, TokenScore, never
from ownlm.serve.model import ServedModel
from ownlm.serve.prompt.build import Prompt
from ownlm.serve.prompt.text import AnswerText
from ownlm.serve.prompt.trim.site import Site
from ownlm.serve.prompt.trim.trimmer import Trimmer


@dataclass(frozen=True)
class ScoredToken:
    """A token in an answer with log-probabilities.

    Attributes:
        text: its text; "bytes:\\xe2\\x82" when it is not whole characters.
        offset: characters before it, the prompt's included.
        logprob: None for the first token of a text: nothing stands before it.
        top: text -> log-probability of the likeliest tokens, and of this one.
    """

    text: str
    offset: int
    logprob: float | None
    top: dict[str, float] | None


@dataclass
class Piece:
    """A piece of one choice's text. The last one of a choice has `finish` set."""

    choice: int
    text: str = ""
    tokens: list[ScoredToken] = field(default_factory=list)
    finish: FinishReason | None = None

    def add(self, following: Piece) -> None:
        """Make one piece of this and the next one of its choice."""
        self.text += following.text
        self.tokens += following.tokens
        self.finish = following.finish or self.finish


LEAST = 1e-6
"""A smaller temperature or top_p leaves the likeliest token alone."""

OnPiece = Callable[[Piece], None]
"""Called for every piece, in the engine's thread."""


def complete(
    model: ServedModel,
    prompt: Prompt,
    options: CompletionOptions,
    on_piece: OnPiece,
    cancelled: Callable[[], bool] = never,
    site: Site | None = None,
) -> int:
    """Continue `prompt`, giving out pieces of every choice as they become certain.

    Args:
        model: what continues it.
        prompt: see `PromptBuilder`.
        options: how.
        on_piece: called for every piece of text.
        cancelled: asked at every token; once it says True the generation ends there.
        site: where the text will stand in a file, to end and trim it as a person wants it; None: the model's text.

    Returns:
        How many tokens were generated, those that ended a choice included.
    """
    choices = [_Choice(index, model, prompt, options.stop, site) for index in range(options.choices)]
    generated = 0
    if prompt.max_tokens == 0:
        for choice in choices:
            on_piece(Piece(choice.index, finish="length"))
        return 0

    def on_step(step: GenerationStep) -> bool:
        nonlocal generated
        generated += 1
        if cancelled():
            return True
        piece = choices[step.choice].push(step)
        if piece.text or piece.tokens or piece.finish:
            on_piece(piece)
        return piece.finish is not None

    model.engine.generate(_request(model, prompt, options), on_step, cancelled)
    for choice in choices:  # one that was broken off, by a deadline for example, gives out what it held back
        piece = choice.rest()
        if piece.text or piece.tokens:
            on_piece(piece)
    return generated


def _request(model: ServedModel, prompt: Prompt, options: CompletionOptions) -> GenerationRequest:
    # Engines refuse a top_p that is 0 in float32, and a top_k above the vocabulary. To sample among tokens that are
    # nothing together is to take the likeliest one; to sample among more than all tokens is to sample among all.
    return GenerationRequest(
        prompt=prompt.ids,
        max_tokens=prompt.max_tokens,
        temperature=options.temperature if options.temperature >= LEAST else 0.0,
        top_p=max(options.top_p, LEAST),
        top_k=options.top_k if options.top_k < model.vocabulary.size else 0,
        seed=options.seed,
        choices=options.choices,
        top_logprobs=options.logprobs,
        stop_ids=model.stop_ids,
    )


class _Choice:
    """The text of one choice, as it grows."""

    def __init__(
        self, index: int, model: ServedModel, prompt: Prompt, stop: tuple[str, ...], site: Site | None
    ) -> None:
        self.index = index
        self._model = model
        self._text = AnswerText(prompt.taken_back, stop)
        self._trimmer = None if site is None else Trimmer(site)
        self._start = self._emitted = prompt.length  # characters given out, the prompt's included
        self._waiting: list[ScoredToken] = []  # tokens whose text is not given out yet

    def push(self, step: GenerationStep) -> Piece:
        piece = Piece(self.index, finish=step.finish)
        if step.finish != "stop":
            piece.text = self._push_token(step)
        if self._text.stopped:
            piece.finish = "stop"
        if self._trimmer is not None:
            piece.text = self._trimmer.push(piece.text)
            if self._trimmer.ended:
                piece.finish = "stop"
        if piece.finish:
            piece.text += self._held()
        return self._given(piece)

    def rest(self) -> Piece:
        """What is held back. The end of the text; nothing where it had one."""
        return self._given(Piece(self.index, self._held()))

    def _held(self) -> str:
        held = self._text.flush()
        return held if self._trimmer is None else self._trimmer.push(held) + self._trimmer.flush()

    def _given(self, piece: Piece) -> Piece:
        self._emitted += len(piece.text)
        while self._waiting and self._waiting[0].offset < self._emitted:
            piece.tokens.append(self._waiting.pop(0))
        return piece

    def _push_token(self, step: GenerationStep) -> str:
        if step.score is not None:
            offset = self._start + self._text.length  # characters before this token
            self._waiting.append(scored_token(self._model, step.token, step.score, offset))
        return self._text.push(self._model.vocabulary.token_bytes[step.token])


def scored_token(model: ServedModel, token: int, score: TokenScore | None, offset: int) -> ScoredToken:
    """A token with its text, as answers show it. `score=None`: the first token of all."""
    text = token_text(model, token)
    if score is None:
        return ScoredToken(text, offset, None, None)
    # Two tokens may have one text (bytes shown the same way never do); the likelier one is met first and stays.
    top: dict[str, float] = {}
    for number, logprob in score.top:
        top.setdefault(token_text(model, number), logprob)
    if score.top:
        top.setdefault(text, score.logprob)
    return ScoredToken(text, offset, score.logprob, top if score.top else None)


def token_text(model: ServedModel, token: int) -> str:
    """A token's own text; its name for a special token, "bytes:\\x.." when it is not whole characters."""
    special = model.vocabulary.special
    if token < special.count:
        return special.names[token]
    data = model.vocabulary.token_bytes[token]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)
