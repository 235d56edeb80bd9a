"""How a prompt shows other files: as the model was trained to see them.

    repositories   <|end_of_text|><|repo_name|>NAME<|file_sep|>PATH⏎SNIPPET<|file_sep|>PATH⏎ + the prompt of the file
                   <|end_of_text|>SNIPPET<|file_sep|> + ...        where names are not known (docs/shards.md)
    documents      the prompt, its prefix opened by the snippets as comments:  # PATH⏎# SNIPPET⏎

What `ownlm.json` says (`pack`) decides. A model that never saw two files at once takes a file separator for the end of
everything; a comment it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.prompt.cut import keep_start
from ownlm.serve.prompt.languages import syntax_of
from ownlm.serve.prompt.repository.names import repository_name
from ownlm.serve.prompt.snippets import in_place
from ownlm.tokens.vocabulary.load import Vocabulary

LEAST = 16
"""Tokens of a snippet, below which a part of it is not worth its head."""


@dataclass(frozen=True)
class Shown:
    """Tokens of other files: at the very start of the prompt, and right before the prefix."""

    opening: tuple[int, ...] = ()
    before_prefix: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Tokens of both."""
        return len(self.opening) + len(self.before_prefix)


class OtherFiles(Protocol):
    """Shows snippets to one model."""

    def show(self, context: CodeContext, snippets: Sequence[Snippet], room: int) -> Shown:
        """The tokens of as many snippets, the most important first, as `room` tokens hold."""
        ...


class RepositoryFiles:
    """For models trained on repositories.

    Args:
        vocabulary: the model's.
        names: the model has seen names of repositories and paths.
    """

    def __init__(self, vocabulary: Vocabulary, *, names: bool) -> None:
        self._vocabulary, self._names = vocabulary, names

    def show(self, context: CodeContext, snippets: Sequence[Snippet], room: int) -> Shown:
        """See `OtherFiles`."""
        special, encode = self._vocabulary.special, self._vocabulary.encode
        name = repository_name(context.repository)
        named = self._names and bool(name and context.path)
        if not snippets and not named:
            return Shown()
        opening = [special.end_of_text]
        own = [special.file_sep]
        if named:
            opening += [special.repo_name, *encode(name)]
            own += encode(f"{context.path}\n")
        if len(opening) + len(own) >= room:
            return Shown()

        def head(snippet: Snippet) -> list[int]:
            return [special.file_sep, *(encode(f"{snippet.path or snippet.kind}\n") if named else [])]

        parts = _fitting(snippets, room - len(opening) - len(own), head, lambda snippet: snippet.text, self._vocabulary)
        shown = [token for part in parts for token in part] + own
        # without names the end of text opens the first file itself
        return Shown(tuple(opening + shown if named else opening + shown[1:]))


class CommentedFiles:
    """For models trained on single documents.

    Args:
        vocabulary: the model's.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def show(self, context: CodeContext, snippets: Sequence[Snippet], room: int) -> Shown:
        """See `OtherFiles`. Nothing where the language is not known, or has no comments."""
        comment = syntax_of(context.language).comment
        if comment is None:
            return Shown()
        newline = "\r\n" if "\r\n" in context.prefix[:4096] or "\r\n" in (context.suffix or "")[:4096] else "\n"

        def commented(snippet: Snippet) -> str:
            lines = [snippet.path or snippet.kind, *snippet.text.strip("\r\n").splitlines()]
            return "".join(f"{_comment(line, *comment)}{newline}" for line in lines)

        parts = _fitting(snippets, room, lambda _: [], commented, self._vocabulary)
        return Shown(before_prefix=tuple(token for part in parts for token in part))


def _comment(line: str, opens: str, closes: str) -> str:
    inside = line.replace(closes, "") if closes else line
    return f"{opens} {inside.rstrip()} {closes}".rstrip()


class _Head(Protocol):
    def __call__(self, snippet: Snippet, /) -> list[int]: ...


class _Body(Protocol):
    def __call__(self, snippet: Snippet, /) -> str: ...


def _fitting(
    snippets: Sequence[Snippet], room: int, head: _Head, body: _Body, vocabulary: Vocabulary
) -> list[list[int]]:
    """Tokens of the snippets that fit, in the order in which they stand; one alone takes half of the room at most."""
    most, left = room // 2 if len(snippets) > 1 else room, room
    tokens: dict[Snippet, list[int]] = {}
    for snippet in snippets:
        opening = head(snippet)
        inside, cut = keep_start(body(snippet), min(left, most) - len(opening), vocabulary)
        if cut:  # at a line's end in any case: what comes next must not become part of a comment
            text = vocabulary.decode(inside)
            inside = vocabulary.encode(text[: text.rfind("\n") + 1])[: len(inside)]
            if len(inside) < LEAST:
                continue
        tokens[snippet] = opening + inside
        left -= len(opening) + len(inside)
    return [tokens[snippet] for snippet in in_place(tokens)]
