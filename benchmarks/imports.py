"""Imports found by line patterns, beside tree-sitter's: precision, recall and MB/s by language, in one run.

    python benchmarks/imports.py [--corpus ../shared/corpus] [--parts 3] [--files 250]

Truth is what a language's own pattern reads in the import statements that tree-sitter found, one by one: so what is
measured is whether statements are found, and only statements. How a statement is read is a matter of tests
(tests/tokens/shards/dependencies). Rates are of processor time.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from ownlm.data.clean.grammars import parser_of
from ownlm.tokens.shards.dependencies.order import references

if TYPE_CHECKING:
    from tree_sitter import Node

STATEMENTS = {
    "C": {"preproc_include"},
    "C++": {"preproc_include"},
    "Go": {"import_declaration"},
    "Java": {"import_declaration"},
    "JavaScript": {"import_statement", "export_statement", "call_expression"},
    "Kotlin": {"import"},
    "PHP": {
        "namespace_use_declaration",
        *(f"{word}{once}_expression" for word in ("require", "include") for once in ("", "_once")),
    },
    "Python": {"import_statement", "import_from_statement", "future_import_statement"},
    "Ruby": {"call"},
    "Rust": {"mod_item", "use_declaration"},
    "TypeScript": {"import_statement", "export_statement", "call_expression"},
}
"""Tree-sitter's names of what may be an import."""


def is_import(node: Node) -> bool:
    """Whether a node of those kinds is one."""
    if node.type == "call_expression":
        function = node.child_by_field_name("function")
        return function is not None and function.text in (b"require", b"import")
    if node.type == "export_statement":
        return node.child_by_field_name("source") is not None
    if node.type == "call":
        method = node.child_by_field_name("method")
        plain = node.child_by_field_name("receiver") is None
        return plain and method is not None and method.text in (b"require", b"require_relative")
    return node.type != "mod_item" or node.child_by_field_name("body") is None


def statements(language: str, data: bytes) -> Iterator[str]:
    """The import statements of a file, each as it stands in its line."""
    cursor = parser_of(language).parse(data).walk()
    while True:
        node = cursor.node
        assert node is not None
        if node.type in STATEMENTS[language] and is_import(node) and node.text is not None:
            yield " " * node.start_point.column + node.text.decode("utf-8", "replace") + "\n"
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def compare(language: str, texts: list[str]) -> None:
    """Print a language's line."""
    size = right = found = true = 0
    spent = {"tree-sitter": 0.0, "patterns": 0.0}
    for text in texts:
        size += len(text.encode())
        start = time.process_time()
        parsed = list(statements(language, text.encode()))
        middle = time.process_time()
        mine = set(references(language, text))
        spent["tree-sitter"] += middle - start
        spent["patterns"] += time.process_time() - middle
        truth = {name for statement in parsed for name in references(language, statement)}
        right, found, true = right + len(mine & truth), found + len(mine), true + len(truth)
    rates = ", ".join(f"{name} {size / 1e6 / seconds:5.1f} MB/s" for name, seconds in spent.items())
    print(f"{language:12} {rates}; of {true:5} imports precision {right / found:.2%}, recall {right / true:.2%}")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--parts", type=int, default=3)
    parser.add_argument("--files", type=int, default=250)
    arguments = parser.parse_args()
    texts = defaultdict(list)
    names = {"cpp": "C++", "php": "PHP", "javascript": "JavaScript", "typescript": "TypeScript"}
    for file in sorted(arguments.corpus.glob("*.parquet"))[: arguments.parts]:
        for row in pq.read_table(file, columns=["language", "content"]).to_pylist():
            texts[names.get(row["language"], row["language"].title())].append(row["content"])
    for language, held in sorted(texts.items()):
        compare(language, random.Random(0).sample(held, min(arguments.files, len(held))))


if __name__ == "__main__":
    main()
