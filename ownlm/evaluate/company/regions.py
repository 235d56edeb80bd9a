"""Which blocks and function bodies are hidden: whole lines of a file, found by its tree-sitter grammar.

    def total(items):             shown
        \"""Sum of the prices.\"""  shown: it says what is wanted
        found = 0                 ┐
        for item in items:        │ a body: all statements of a function
            found += item.price   │ ─ a block: the inside of an if, a loop, a try, ...
        return found              ┘
    }                             what closes a brace block is shown, too

Asked is what stands on lines of its own, all indented at least as its first one, and followed by a line that is not.
So an answer ends by one rule in every language: before the first line that is indented less. That leaves out one-line
functions, and texts over several lines that begin at the margin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, AnyStr, Literal

from ownlm.data.clean.syntax import parse
from ownlm.evaluate.company.config import LANGUAGES
from ownlm.evaluate.company.question import Question
from ownlm.tokens.shards.reader import DocumentSpan

if TYPE_CHECKING:
    from tree_sitter import Node

_CONTAINERS = frozenset({
    "block", "body_statement", "compound_statement", "constructor_body", "do_group", "indented_block",
    "statement_block", "statements", "then",
})  # fmt: skip
_WRAPPERS = frozenset({"function_body", "statement_list"})
_FUNCTIONS = frozenset({"function", "method", "constructor", "subroutine", "func", "arrow", "closure", "lambda"})
_METHODS = frozenset({"method", "constructor"})
_CLOSURES = frozenset({"arrow", "closure", "lambda", "literal", "anonymous", "expression"})
_TYPES = frozenset({"class", "interface", "impl", "struct", "trait", "module", "namespace", "object", "mod", "enum"})
_BLOCKS = {
    "conditional": frozenset(
        {"if", "elif", "elsif", "else", "unless", "switch", "case", "match", "when", "conditional"}
    ),
    "loop": frozenset({"for", "foreach", "while", "do", "loop", "repeat", "until", "range", "enhanced"}),
    "exception": frozenset({"try", "except", "catch", "finally", "rescue", "ensure"}),
}
_TAIL = re.compile(rb"\s*;?\s*((//|#|--).*|/\*.*\*/\s*)?")


@dataclass(frozen=True)
class Region:
    """Lines of a file that belong together.

    Attributes:
        what: a block, or the body of a function.
        kind: of block or function.
        first: its first line, from 0.
        last: its last line.
    """

    what: Literal["block", "body"]
    kind: str
    first: int
    last: int


def questions_in(
    document: DocumentSpan, text: str, what: Literal["block", "body"], min_lines: int, max_lines: int
) -> Iterator[Question]:
    """Every block, or every function body, of a file that may be asked; none where the language is not known here."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for region in regions_in(text, document.language):
        length = region.last - region.first + 1
        if region.what == what and min_lines <= length <= max_lines:
            start = starts[region.first] + len(_indentation(lines[region.first]))
            stop = starts[region.last] + len(lines[region.last].removesuffix("\r"))
            if any(letter.isalnum() for letter in text[start:stop]):
                yield Question(document, region.first + 1, text, start, stop, region.kind)


def regions_in(text: str, language: str) -> list[Region]:
    """All blocks and bodies of a text that can be asked, in order; each pair of first and last line once."""
    if language not in LANGUAGES:
        return []
    data = text.encode()
    tree = parse(data, language)
    if tree is None:
        return []
    lines = data.split(b"\n")
    found: dict[tuple[int, int], Region] = {}
    for node in _containers(tree.root_node):
        rows = _rows(node, lines)
        described = None if rows is None or not _closed(rows, lines) else _described(node)
        if rows is not None and described is not None:
            found.setdefault(rows, Region(*described, *rows))
    return sorted(found.values(), key=lambda region: (region.first, -region.last))


def cut(written: str, indentation: str) -> str:
    """The part of what was written that stands for a region: lines up to the first that is indented less.

    Args:
        written: begins behind the indentation of its first line.
        indentation: of the region's first line.

    Returns:
        Lines without trailing blanks, none blank at the end.
    """
    first, *others = written.split("\n")
    kept = [first.rstrip()]
    for line in others:
        if line.strip() and not line.startswith(indentation):
            break
        kept.append(line.rstrip())
    return "\n".join(kept).rstrip()


def _containers(root: Node) -> Iterator[Node]:
    """Nodes that hold statements, without any error in them, in the order of the text."""
    cursor = root.walk()
    while True:
        node = cursor.node
        assert node is not None
        if node.is_named and node.type in _CONTAINERS and not node.has_error:
            yield node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _rows(node: Node, lines: list[bytes]) -> tuple[int, int] | None:
    """First and last line of the statements of a container; None where they share a line with something else."""
    statements = node.named_children
    if _is_documented(node):
        statements = statements[1:]
    if not statements:
        return None
    first, last = statements[0].start_point, statements[-1].end_point
    row = last.row if last.column else last.row - 1  # some grammars count the line end in
    tail = lines[row][last.column :] if last.column else b""
    if lines[first.row][: first.column].strip() or not _TAIL.fullmatch(tail) or row < first.row:
        return None
    return first.row, row


def _is_documented(node: Node) -> bool:
    """Does a Python function open with a documentation string, and go on after it?"""
    first = next(iter(node.named_children), None)
    if first is None or first.type != "expression_statement" or node.named_child_count < 2:
        return False
    return node.parent is not None and node.parent.type == "function_definition" and _is_text(first)


def _is_text(statement: Node) -> bool:
    return statement.named_child_count == 1 and statement.named_children[0].type == "string"


def _closed(rows: tuple[int, int], lines: list[bytes]) -> bool:
    """Are all lines indented at least as the first, and the next one that is not blank less?"""
    first, last = rows
    indentation = _indentation(lines[first])
    whole = all(line.startswith(indentation) for line in lines[first : last + 1] if line.strip())
    after = next((line for line in lines[last + 1 :] if line.strip()), b"")
    return bool(indentation) and whole and not after.startswith(indentation)


def _indentation(line: AnyStr) -> AnyStr:
    return line[: len(line) - len(line.lstrip())]


def _described(node: Node) -> tuple[Literal["block", "body"], str] | None:
    """What a container is the inside of; None for a class and the like."""
    owner = node.parent
    while owner is not None and owner.type in _WRAPPERS:
        owner = owner.parent
    if owner is None:
        return None
    words = _words(owner)
    if words & _FUNCTIONS:
        return "body", _function(owner, words)
    if words & _TYPES or owner.parent is None:
        return None
    return "block", next((kind for kind, known in _BLOCKS.items() if words & known), "other")


def _function(owner: Node, words: set[str]) -> str:
    if words & _CLOSURES:
        return "closure"
    if words & _METHODS:
        return "method"
    above = owner.parent
    while above is not None and above.parent is not None:  # the root of Python's trees is a "module"
        if _words(above) & _FUNCTIONS:
            return "nested function"
        if _words(above) & _TYPES:
            return "method"
        above = above.parent
    return "function"


def _words(node: Node) -> set[str]:
    return set(node.type.split("_"))
