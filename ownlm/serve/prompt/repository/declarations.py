"""What a file declares: functions, classes, methods, types, each with its signature and the first line of its comment.

Found with the tree-sitter grammars that cleaning uses, by the types of nodes: one row a language. What a row does not
name (a constant, a lambda in a variable) is not found; a file with syntax errors gives what could be parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

LONGEST = 400
"""Characters of a signature."""

MOST = 2000
"""Declarations of a file; generated code has more."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration.

    Attributes:
        name: what it declares.
        owner: signature of the class (or the like) it stands in; "" for none.
        signature: its head, without its body.
        doc: first line of its documentation; "" for none.
    """

    name: str
    owner: str
    signature: str
    doc: str


_FUNCTIONS: Mapping[str, str] = {
    "C": "function_definition declaration",
    "C#": "method_declaration constructor_declaration property_declaration delegate_declaration",
    "C++": "function_definition field_declaration declaration",
    "Go": "function_declaration method_declaration method_elem",
    "Haskell": "signature",
    "Java": "method_declaration constructor_declaration",
    "JavaScript": "function_declaration generator_function_declaration method_definition",
    "Julia": "function_definition macro_definition",
    "Kotlin": "function_declaration",
    "Lua": "function_declaration",
    "PHP": "function_definition method_declaration",
    "Perl": "subroutine_declaration_statement",
    "Python": "function_definition",
    "Ruby": "method singleton_method",
    "Rust": "function_item function_signature_item macro_definition",
    "Scala": "function_definition function_declaration",
    "Shell": "function_definition",
    "Swift": "function_declaration protocol_function_declaration init_declaration",
    "TypeScript": "function_declaration generator_function_declaration method_definition function_signature "
    "method_signature abstract_method_signature",
}
_TYPES: Mapping[str, str] = {
    "C": "struct_specifier union_specifier enum_specifier type_definition",
    "C#": "class_declaration interface_declaration struct_declaration enum_declaration record_declaration",
    "C++": "class_specifier struct_specifier enum_specifier alias_declaration",
    "Go": "type_spec",
    "Haskell": "data_type newtype class type_synomym",
    "Java": "class_declaration interface_declaration enum_declaration record_declaration annotation_type_declaration",
    "JavaScript": "class_declaration",
    "Julia": "struct_definition abstract_definition module_definition",
    "Kotlin": "class_declaration object_declaration",
    "PHP": "class_declaration interface_declaration trait_declaration enum_declaration",
    "Python": "class_definition",
    "Ruby": "class module",
    "Rust": "struct_item enum_item trait_item type_item union_item impl_item",
    "Scala": "class_definition object_definition trait_definition enum_definition",
    "Swift": "class_declaration protocol_declaration",
    "TypeScript": "class_declaration abstract_class_declaration interface_declaration type_alias_declaration "
    "enum_declaration",
}
_WRAPPERS = frozenset({"export_statement", "decorated_definition", "type_declaration", "template_declaration"})
_NAMES = ("name", "declarator", "type")
_BODIES = ("body", "block")
_SKIPPED = frozenset({"comment", "string", "arguments"})
_BY_LINE = frozenset({"Haskell", "Julia", "Lua", "Perl", "Ruby", "Shell"})
"""Languages whose signatures are the first line."""

_NAMED = re.compile(r"\b(?:function|struct|macro|module|type)\s+([\w.!]+)")
VISITED = 50_000
"""Nodes looked at in a file."""


def _rows(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    rows = {language: frozenset(types.split()) for language, types in table.items()}
    if "TypeScript" in rows:
        rows["TSX"] = rows["TypeScript"]
    return rows


FUNCTIONS, TYPES = _rows(_FUNCTIONS), _rows(_TYPES)
LANGUAGES = frozenset(FUNCTIONS)


def declarations_in(data: bytes, language: str) -> list[Declaration]:
    """All declarations of a file, in its order; none where the language has no row.

    Args:
        data: UTF-8.
        language: GitHub Linguist's name.

    Raises:
        ImportError: the language's grammar is not installed.
    """
    if language not in LANGUAGES:
        return []
    from ownlm.data.clean.grammars import parser_of

    tree = parser_of(language).parse(data)
    found = []
    for declaration in _declared(tree.root_node, language):
        found.append(declaration)
        if len(found) == MOST:
            break
    return found


def _declared(root: Node, language: str) -> Iterator[Declaration]:
    """Top down; functions are not entered: what they declare inside cannot be used from elsewhere."""
    functions, types = FUNCTIONS[language], TYPES.get(language, frozenset())
    waiting: list[tuple[Node, str]] = [(root, "")]
    for _ in range(VISITED):
        if not waiting:
            return
        node, owner = waiting.pop()
        inner = owner
        if node.type in functions or node.type in types:
            declaration = _declaration(node, owner, language)
            if declaration is not None:
                yield declaration
                inner = declaration.signature
            if node.type in functions:
                continue
        elif not node.is_named or node.type in _SKIPPED:
            continue
        waiting += [(child, inner) for child in reversed(node.named_children)]


def _declaration(node: Node, owner: str, language: str) -> Declaration | None:
    if language in ("C", "C++"):
        if node.type in ("declaration", "field_declaration") and _function_declarator(node) is None:
            return None
        if node.type.endswith("_specifier") and _body(node) is None:
            return None
    signature = _signature(node, language)
    named = _NAMED.search(signature) if language == "Julia" else None
    name = named[1] if named is not None else _name(node)
    if not name or not signature:
        return None
    return Declaration(name, owner, signature, _doc(node, language))


def _function_declarator(node: Node) -> Node | None:
    inner: Node | None = node.child_by_field_name("declarator")
    while inner is not None and inner.type != "function_declarator":
        inner = inner.child_by_field_name("declarator")
    return inner


def _name(node: Node) -> str:
    """The name; of C's declarators the innermost one."""
    inner: Node | None = node
    while inner is not None:
        deeper = next((found for field in _NAMES if (found := inner.child_by_field_name(field)) is not None), None)
        if deeper is None or not deeper.named_children:
            inner = deeper or (inner if inner is not node else None)
            break
        inner = deeper
    if inner is None:
        inner = next(
            (child for child in node.named_children if "identifier" in child.type or child.type == "name"), None
        )
    text = _text(inner) if inner is not None else ""
    return text.split("(", 1)[0].rsplit("::", 1)[-1].rsplit(".", 1)[-1].strip()[:100]


def _body(node: Node) -> Node | None:
    for field in _BODIES:
        found = node.child_by_field_name(field)
        if found is not None:
            return found
    return next((child for child in node.named_children if child.type.endswith(("_body", "body_statement"))), None)


def _signature(node: Node, language: str) -> str:
    """From the declaration's start to its body's, on one line."""
    outer = (
        node.parent if node.parent is not None and node.parent.type in _WRAPPERS - {"decorated_definition"} else node
    )
    data = outer.text or b""
    body = _body(node)
    if language in _BY_LINE:
        data = data.split(b"\n", 1)[0]
    elif body is not None:
        data = data[: body.start_byte - outer.start_byte]
    text = " ".join(data[: 4 * LONGEST].decode("utf-8", "replace").split())
    return text[:LONGEST].rstrip().removesuffix("{").removesuffix("=").rstrip().rstrip(";")


def _doc(node: Node, language: str) -> str:
    """The first line of a comment right above, or of Python's documentation string."""
    if language == "Python":
        body = _body(node)
        first = body.named_children[0] if body is not None and body.named_children else None
        if first is not None and first.type == "expression_statement":
            first = first.named_children[0] if first.named_children else None
        return _first_line(_text(first)) if first is not None and first.type == "string" else ""
    outer = node.parent if node.parent is not None and node.parent.type in _WRAPPERS else node
    above = outer.prev_named_sibling
    if above is None or "comment" not in above.type or outer.start_point.row - above.end_point.row > 1:
        return ""
    while (
        (earlier := above.prev_named_sibling) is not None
        and "comment" in earlier.type
        and above.start_point.row - earlier.end_point.row <= 1
    ):
        above = earlier
    return _first_line(_text(above))


def _first_line(text: str) -> str:
    lines = (line.strip().strip("/*#!-\"'").strip() for line in text[:LONGEST].split("\n"))
    return next((line for line in lines if line), "")[:120]


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
