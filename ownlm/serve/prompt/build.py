"""The prompt of a completion: text around the cursor to the token ids the model was trained to continue.

    no suffix      <|end_of_text|> prefix                      (the end of text opens a document)
    prefix first   <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>
    suffix first   <|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix
    with snippets  other files first, or as comments before the prefix (`ownlm.serve.prompt.other_files`)

The layouts are training's own functions. In tokens `    return x` is three blanks, ` return` and ` x`: a prefix that
ends in a blank ends in the middle of a token. That blank is taken back, and the answer's own first blank is left out
(`ownlm.serve.completion`): hidden lines come out 1.7 times as similar to the author's (docs/evaluate.md).

When the text is too long, the suffix keeps a quarter of the room (more when the prefix is short) and the prefix the
rest: what stands right before the cursor says most about what comes next.

For editors (`code`) the order is by how often a part changes: other files, suffix, prefix. While a person types, all
but the last few tokens of the prompt stay the same, also in files that are too long, so that the engine has read them
already (docs/prompts.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ownlm.serve.call import CodeContext
from ownlm.serve.config import FimOrder
from ownlm.serve.prompt.cut import keep_end, keep_start
from ownlm.serve.prompt.other_files import CommentedFiles, OtherFiles
from ownlm.serve.prompt.room import Parts, arranged
from ownlm.tokens.objectives.layout import MARKERS, prefix_suffix_middle, suffix_prefix_middle
from ownlm.tokens.vocabulary.load import Vocabulary

LAYOUTS = {"suffix_first": suffix_prefix_middle, "prefix_first": prefix_suffix_middle}
SUFFIX_SHARE = 0.25
BLANKS = (" ", "\t")
LEAST_PROMPT = 64
"""Tokens a prompt may have, however few are allowed."""


class PromptTooLongError(ValueError):
    """Token ids that do not fit the model's context. Text is cut instead."""


@dataclass(frozen=True)
class Prompt:
    """What the engine is asked to continue.

    Attributes:
        ids: the tokens.
        max_tokens: new tokens asked for, or fewer where the model's context ends.
        length: characters of the text before the generated text, as the client knows it.
        cut: whether a part of the client's text was left out.
        taken_back: the blank at the end of the text that `ids` leave to the answer; "" for none.
    """

    ids: tuple[int, ...]
    max_tokens: int
    length: int
    cut: bool = False
    taken_back: str = ""


class PromptBuilder:
    """Builds prompts for one model.

    Args:
        vocabulary: the model's.
        context: tokens the model was trained to see at once; a prompt and its continuation never exceed it.
        other_files: how snippets are shown to it; None for comments.
        fill_in_the_middle: it was trained to; otherwise `code` leaves suffixes out.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        context: int,
        other_files: OtherFiles | None = None,
        *,
        fill_in_the_middle: bool = True,
    ) -> None:
        self._vocabulary = vocabulary
        self._context = context
        self._other_files = other_files or CommentedFiles(vocabulary)
        self._fills = fill_in_the_middle

    def text(
        self, prefix: str, suffix: str | None, max_tokens: int, order: FimOrder, *, take_back: bool = True
    ) -> Prompt:
        """The prompt for text with a cursor in it. An empty suffix is none: there is nothing to fill towards.

        Args:
            prefix: the text before the cursor.
            suffix: the text after it.
            max_tokens: new tokens asked for.
            order: the layout, with a suffix.
            take_back: whether a blank at the prefix' end may be left to the answer; not where tokens are shown.

        Raises:
            InputError: when the text holds a lone surrogate.
        """
        length = len(prefix)
        blank = prefix[-1:] if take_back and prefix.endswith(BLANKS) else ""
        prefix = prefix.removesuffix(blank)
        new = min(max_tokens, self._context // 2)  # the prompt always has the other half
        room = self._context - new
        special = self._vocabulary.special
        if not suffix:
            ids, cut = keep_end(prefix, room - 1, self._vocabulary)
            prompt = ids if cut else [special.end_of_text, *ids]  # what was cut does not open the document
            return Prompt(tuple(prompt), self._new(len(prompt), max_tokens), length, cut, blank)
        room -= MARKERS - 1
        before, cut_before = keep_end(prefix, room, self._vocabulary)
        after, cut_after = keep_start(suffix, room, self._vocabulary)
        if len(before) + len(after) > room:
            share = max(int(room * SUFFIX_SHARE), room - len(before))
            after, more_after = keep_start(suffix, share, self._vocabulary)
            before, more_before = keep_end(prefix, room - len(after), self._vocabulary)
            cut_before, cut_after = cut_before or more_before, cut_after or more_after
        prompt = LAYOUTS[order](before, after, None, special)
        return Prompt(tuple(prompt), self._new(len(prompt), max_tokens), length, cut_before or cut_after, blank)

    def code(
        self,
        context: CodeContext,
        max_tokens: int,
        order: FimOrder,
        *,
        snippets: bool,
        take_back: bool = True,
        limit: int | None = None,
    ) -> Prompt:
        """The prompt for text with a cursor in it, and what is known about it.

        Args:
            context: the text, and what is known.
            max_tokens: new tokens asked for.
            order: the layout, with a suffix.
            snippets: an editor asks: other files are shown, and the prompt stays the same while a person types.
                Otherwise see `text`.
            take_back: as in `text`.
            limit: most tokens of the prompt; None for what the model can see.

        Raises:
            InputError: when the text, or a snippet that is shown, holds a lone surrogate.
        """
        if not snippets:
            return self.text(context.prefix, context.suffix, max_tokens, order, take_back=take_back)
        blank = context.prefix[-1:] if take_back and context.prefix.endswith(BLANKS) else ""
        shown = replace(
            context, prefix=context.prefix.removesuffix(blank), suffix=context.suffix if self._fills else None
        )
        room = self._context - min(max_tokens, self._context // 2)
        room = min(room, max(limit or room, LEAST_PROMPT)) - (MARKERS - 1)
        parts = arranged(shown, room, self._vocabulary, self._other_files)
        ids = [*parts.files.opening, *self._laid_out(parts, order)]
        cut = parts.cut_before or parts.cut_after
        return Prompt(tuple(ids), self._new(len(ids), max_tokens), len(context.prefix), cut, blank)

    def _laid_out(self, parts: Parts, order: FimOrder) -> list[int]:
        special = self._vocabulary.special
        before = [*parts.files.before_prefix, *parts.before]
        if parts.after:
            return LAYOUTS[order](before, parts.after, None, special)
        # what was cut does not open the document, and after other files the document is open
        return before if parts.cut_before or parts.files.opening else [special.end_of_text, *before]

    def ids(self, ids: tuple[int, ...], max_tokens: int) -> Prompt:
        """The prompt for tokens the client made itself, as they are. They must leave room for one more.

        Raises:
            PromptTooLongError: when they do not.
            ValueError: when some are not in the vocabulary.
        """
        if min(ids) < 0 or max(ids) >= self._vocabulary.size:
            raise ValueError(f"token ids must be from 0 to {self._vocabulary.size - 1}")
        if len(ids) >= self._context:
            raise PromptTooLongError(f"the prompt has {len(ids)} tokens; the model's context is {self._context}")
        return Prompt(ids, self._new(len(ids), max_tokens), len(self._vocabulary.decode(ids)))

    def _new(self, prompt: int, max_tokens: int) -> int:
        return min(max_tokens, self._context - prompt)
