"""A prompt's tokens shared by the text before the cursor, after it, and other files.

Suffix and snippets stand before the prefix in the prompt, so what they get must not change with every key: the prefix
is given its room in steps of an eighth, and they share the rest. Each of them has a quarter for sure.
"""

from __future__ import annotations

from dataclasses import dataclass

from ownlm.serve.call import CodeContext
from ownlm.serve.prompt.cut import keep_start
from ownlm.serve.prompt.other_files import OtherFiles, Shown
from ownlm.serve.prompt.snippets import worthwhile
from ownlm.serve.prompt.window import FIRST_LOOK, end_of, settled
from ownlm.tokens.vocabulary.load import Vocabulary

STEPS = 8
SURE = 4


@dataclass(frozen=True)
class Parts:
    """What a prompt is made of.

    Attributes:
        files: other files.
        before: tokens of the prefix.
        after: of the suffix.
        cut_before: the prefix is not whole.
        cut_after: nor is the suffix.
    """

    files: Shown
    before: list[int]
    after: list[int]
    cut_before: bool
    cut_after: bool


def arranged(context: CodeContext, room: int, vocabulary: Vocabulary, other_files: OtherFiles) -> Parts:
    """All parts of a prompt of at most `room` tokens.

    Args:
        context: prefix, suffix and snippets.
        room: tokens there are.
        vocabulary: the model's.
        other_files: how it is shown snippets.
    """
    suffix = context.suffix or ""
    end = end_of(context.prefix, room, vocabulary)
    rest = beside(room, len(end.ids) if end.whole else room)
    after, cut_after = keep_start(suffix, rest, vocabulary)
    worth = worthwhile(context, room * FIRST_LOOK) if context.snippets else []
    files = other_files.show(context, worth, rest)
    share = shared(room, rest, rest if cut_after else len(after), files.length)
    if len(after) > share.suffix:
        after, cut_after = keep_start(suffix, share.suffix, vocabulary)
    if files.length > share.snippets:
        files = other_files.show(context, worth, share.snippets)
    before, cut_before = settled(end, room - len(after) - files.length, vocabulary)
    return Parts(files, before, after, cut_before, cut_after)


@dataclass(frozen=True)
class Share:
    """Most tokens of each part."""

    suffix: int
    snippets: int


def beside(room: int, prefix: int) -> int:
    """The most that suffix or snippets can get beside a prefix, which is given its room in steps.

    Args:
        room: tokens there are.
        prefix: tokens it would take; `room` if it is more.
    """
    step = max(1, room // STEPS)
    return max(room // SURE, room - (prefix // step + 1) * step)


def shared(room: int, rest: int, suffix: int, snippets: int) -> Share:
    """Share what is beside the prefix. Suffix and snippets have a quarter of the room each, if they need it.

    Args:
        room: tokens there are.
        rest: see `beside`.
        suffix: tokens the suffix would take, at most `rest`.
        snippets: tokens all snippets would take, at most `rest`.
    """
    sure = room // SURE
    after = min(suffix, max(sure, rest - min(snippets, sure)))
    return Share(after, min(snippets, max(sure, rest - after)))
