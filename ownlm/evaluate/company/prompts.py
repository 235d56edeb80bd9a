"""A hidden part of a file as a question in tokens, and generated tokens as text.

The layouts are training's. A prefix never ends in the indentation's last blank: in tokens `    return` is three blanks
and ` return`, so that blank is taken back, and the answer has to begin with it. Serving does the same, and the n-gram
rival is asked this way too: fairly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ownlm.evaluate.company.config import Order
from ownlm.evaluate.company.question import Question
from ownlm.tokens.objectives.layout import MARKERS, prefix_suffix_middle, suffix_prefix_middle
from ownlm.tokens.vocabulary.load import Vocabulary

# Texts are cut to this many characters a token before they are encoded: more than any prompt holds.
CHARACTERS_A_TOKEN = 16


@dataclass(frozen=True)
class Prompt:
    """A question in tokens.

    Attributes:
        ids: what the rival continues.
        taken_back: the blank that the answer has to begin with; "" where the prompt ends at the cursor.
    """

    ids: list[int]
    taken_back: str


class Room(Protocol):
    """What the context is to hold beside the text before: a part of some block of settings."""

    @property
    def max_tokens(self) -> int:
        """Of the answer."""
        ...

    @property
    def suffix_share(self) -> float:
        """Of the rest, for the text after."""
        ...


class Prompts:
    """Turns questions into prompts for one context length.

    Args:
        vocabulary: the model's.
        context: tokens the model can look at, its answer included.
        settings: room for the answer, share of the text after it.
        one_line: answers end with their line, and may fill a quarter of the context; else half of it.
    """

    def __init__(self, vocabulary: Vocabulary, context: int, settings: Room, *, one_line: bool = True) -> None:
        self._vocabulary, self._one_line = vocabulary, one_line
        self.limit = min(settings.max_tokens, max(1, context // (4 if one_line else 2)))
        self._room = context - self.limit - MARKERS
        self._suffix_room = int(self._room * settings.suffix_share)
        special = range(vocabulary.special.count)
        newlines = (token for token, text in enumerate(vocabulary.token_bytes) if b"\n" in text)
        self.stops = frozenset([*special, *newlines] if one_line else special)

    def build(self, questions: Sequence[Question], order: Order) -> list[Prompt]:
        """One prompt a question, in the given layout."""
        return self._left_to_right(questions) if order == "left_to_right" else self._laid_out(questions, order)

    def written(self, ids: Sequence[int]) -> str:
        """What generated tokens say before the first special token, or, asked for one line, the first line end."""
        count = self._vocabulary.special.count
        end = next((index for index, token in enumerate(ids) if token < count), len(ids))
        written = self._vocabulary.decode_bytes(ids[:end])
        if self._one_line:
            written = written.split(b"\n", 1)[0].removesuffix(b"\r")
        return written.decode("utf-8", errors="replace")

    def _left_to_right(self, questions: Sequence[Question]) -> list[Prompt]:
        taken, texts = self._taken_back(questions)
        tails = [self._tail(text) for text in texts]
        prompts = []
        for text, tail, blank, ids in zip(texts, tails, taken, self._vocabulary.encode_batch(tails), strict=True):
            opening = [self._vocabulary.special.end_of_text] if tail == text and len(ids) < self._room else []
            prompts.append(Prompt([*opening, *ids[-self._room :]], blank))
        return prompts

    def _laid_out(self, questions: Sequence[Question], order: Order) -> list[Prompt]:
        taken, texts = self._taken_back(questions)
        prefixes = self._vocabulary.encode_batch([self._tail(text) for text in texts])
        heads = [question.after[: self._room * CHARACTERS_A_TOKEN] for question in questions]
        layout = suffix_prefix_middle if order == "suffix_first" else prefix_suffix_middle
        prompts = []
        for prefix, suffix, blank in zip(prefixes, self._vocabulary.encode_batch(heads), taken, strict=True):
            suffix = suffix[: max(self._suffix_room, self._room - len(prefix))]
            prefix = prefix[max(0, len(prefix) - (self._room - len(suffix))) :]
            prompts.append(Prompt(layout(prefix, suffix, None, self._vocabulary.special), blank))
        return prompts

    @staticmethod
    def _taken_back(questions: Sequence[Question]) -> tuple[list[str], list[str]]:
        """The last blank of each question's indentation, and the text before it."""
        taken = [question.indentation[-1:] for question in questions]
        return taken, [question.before.removesuffix(blank) for question, blank in zip(questions, taken, strict=True)]

    def _tail(self, text: str) -> str:
        """The end of a long text, from a line's beginning on."""
        longest = self._room * CHARACTERS_A_TOKEN
        if len(text) <= longest:
            return text
        cut = text[-longest:]
        return cut[cut.find("\n") + 1 :]
