"""What OpenAI's completions and its chat share: how a request says to go on, and an answer around its choices."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ownlm.serve.answering import Answer
from ownlm.serve.call import CompletionOptions
from ownlm.serve.completion import Piece
from ownlm.serve.protocols.body import listed
from ownlm.serve.protocols.chat_request import ChatRequest
from ownlm.serve.protocols.openai_answer import Heading, usage_json
from ownlm.serve.protocols.openai_request import CompletionRequest
from ownlm.serve.protocols.rendering import DONE, Rendering, event


def options_of(asked: CompletionRequest | ChatRequest, logprobs: int | None) -> CompletionOptions:
    """How to continue; the two ask for log-probabilities in different ways."""
    return CompletionOptions(
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        top_k=asked.top_k or 0,
        seed=asked.seed,
        choices=asked.n or 1,
        logprobs=logprobs,
        stop=listed(asked.stop),
    )


class OpenAiRendering(Rendering):
    """One answer in OpenAI's JSON.

    Args:
        asked: for it.
        answer: what is told.
        heading: what the answer and each chunk of it begin with.
    """

    def __init__(self, asked: CompletionRequest | ChatRequest, answer: Answer, heading: Heading) -> None:
        super().__init__(answer)
        self._heading = heading
        self._with_usage = asked.stream_options is not None and bool(asked.stream_options.include_usage)

    @abstractmethod
    def choice(self, choice: Piece) -> Any:
        """The JSON of a whole choice."""

    def chunk(self, piece: Piece) -> Any:
        """The JSON of a piece of a choice."""
        return self.choice(piece)

    def whole(self) -> dict[str, Any]:
        """See `Rendering.whole`."""
        return self._heading.answer([self.choice(one) for one in self.choices], usage=usage_json(self.answer.usage))

    def piece(self, piece: Piece) -> bytes:
        """See `Rendering.piece`; where the cost is wanted, all but the last chunk say that it is not known."""
        usage: dict[str, Any] = {"usage": None} if self._with_usage else {}
        return event(self._heading.answer([self.chunk(piece)], **usage))

    def end(self) -> bytes:
        """See `Rendering.end`."""
        usage = event(self._heading.answer([], usage=usage_json(self.answer.usage))) if self._with_usage else b""
        return usage + DONE
