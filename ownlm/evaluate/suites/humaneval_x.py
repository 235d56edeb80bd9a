"""HumanEval-X (Zheng et al. 2023, arXiv 2303.17568): HumanEval written by hand in C++, Go, Java, JavaScript, Rust.

Programs are laid out as in CodeGeeX, whose harness sets imports around the answer. Four things it leaves to the
machine are done here, so that a program says by itself whether it is right:

    JavaScript   console.assert only prints; before the tests it is made to throw
    Rust         the tests are a module that only `rustc --test` runs: main calls them instead
    Rust         `use rand, regex, md5` stands in every program, though five of 164 need one: kept where it is used
    Go           imports are those the program uses: an import too many is an error there

An answer ends with its function (`braces.function_end`), before a main or the tests that a model writes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.suites.base import Problem
from ownlm.evaluate.suites.braces import depths, function_end
from ownlm.evaluate.suites.data import Home
from ownlm.evaluate.suites.files import FileSuite
from ownlm.evaluate.suites.languages import language_key
from ownlm.evaluate.suites.python_code import CONVENTION, STOPS, last_function, without_trailing_comments
from ownlm.evaluate.suites.rows import Row
from ownlm.evaluate.suites.trim import declaration_of, trim

HOME = Home(
    title="HumanEval-X",
    url="https://github.com/THUDM/CodeGeeX (codegeex/benchmark/humaneval-x)",
    dataset="THUDM/humaneval-x",
    licence="Apache-2.0",
    patterns=("humaneval_*.jsonl*", "data/*/data/humaneval.jsonl*"),
)
LANGUAGES = ("cpp", "go", "java", "javascript", "python", "rust")

_STOPS = {
    "cpp": ("\nint main", "\n```"),
    "go": ("\nfunc main(", "\nfunc Test", "\n```"),
    "java": ("public static void main", "\npublic class Main", "\n```"),
    "javascript": ("\nconsole.", "\nmodule.exports", "\n```"),
    "python": STOPS,
    "rust": ("\nfn main(", "\n#[cfg(test)]", "\nmod tests", "\n```"),
}
_PYTHON_IMPORTS = """\
import math
import re
import sys
import copy
import datetime
import itertools
import collections
import heapq
import statistics
import functools
import hashlib
import string
from typing import *
from collections import *
"""
_CPP_INCLUDES = ("stdlib.h", "algorithm", "math.h", "stdio.h", "vector", "string", "climits", "cstring", "iostream")
_GO_PACKAGES = (
    *("math", "strings", "fmt", "strconv", "time", "bytes", "regexp", "sort", "math/rand", "crypto/md5"),
    *("unicode", "errors", "container/heap", "math/big", "math/bits"),
)
_JS_ASSERT = "console.assert = (held, ...said) => { if (!held) throw new Error(`Assertion failed: ${said}`); };\n"
_RUST_CRATES = {"use rand::Rng;\n": r"\brand::", "use regex::Regex;\n": r"\bRegex\b", "use md5;\n": r"\bmd5::"}
_RUST_TEST = re.compile(r"#\[test\]\s*(?:pub\s+)?fn\s+(\w+)")


class HumanEvalX(FileSuite):
    """The suite `humaneval_x`."""

    name = "humaneval_x"
    max_tokens = 1024
    home = HOME
    conventions: Mapping[str, str] = {
        "prompt": "as published; Rust: its comment, then its declaration",
        "stops": f"the brace that closes the function; Python: {CONVENTION}",
    }

    def problem(self, row: Row) -> Problem:
        """See `FileSuite.problem`."""
        name = row.name("task_id")
        language = language_key(name.split("/")[0])
        if language not in LANGUAGES:
            raise row.damaged(f"{name!r} is no problem of HumanEval-X")
        prompt = row.text("prompt") + (row.text("declaration") if language == "rust" else "")
        fields = {"test": row.text("test"), "declaration": _declaration(row, prompt, language)}
        if language == "go":
            fields |= {"setup": row.text("test_setup"), "import": row.text("import")}
        return Problem(
            name, language, prompt, stops=_STOPS[language], reference=row.text("canonical_solution"), fields=fields
        )

    def trim(self, problem: Problem, answer: str) -> str:
        """See `Suite.trim`."""
        language = problem.language
        if language == "python":
            return trim(problem, answer, without_trailing_comments)
        outer = 1 if language == "java" else 0
        return trim(problem, answer, lambda text: text[: function_end(text, language, outer)])

    def source(self, problem: Problem, answer: str) -> Source:
        """See `Suite.source`."""
        return Source(problem.language, _LAYOUTS[problem.language](problem, answer))


def _declaration(row: Row, prompt: str, language: str) -> str:
    if language == "python":
        return declaration_of(prompt, f"def {last_function(row.text('declaration'))}(")
    return declaration_of(prompt)


def _python(problem: Problem, answer: str) -> str:
    return f"{_PYTHON_IMPORTS}{problem.prompt}{answer}\n{problem.fields['test']}\n"


def _cpp(problem: Problem, answer: str) -> str:
    missing = (f"#include<{name}>\n" for name in _CPP_INCLUDES if f"#include<{name}>" not in problem.prompt)
    return f"{''.join(missing)}{problem.prompt}{answer}\n{problem.fields['test']}"


def _java(problem: Problem, answer: str) -> str:
    closed = [depth for _, depth in depths(answer, "java")]
    outer = "\n}" if closed and closed[-1] == -1 else ""
    return f"{problem.prompt}{answer}{outer}\n{problem.fields['test']}"


def _javascript(problem: Problem, answer: str) -> str:
    return f"{problem.prompt}{answer}\n{_JS_ASSERT}{problem.fields['test']}"


def _go(problem: Problem, answer: str) -> str:
    body = problem.prompt.replace(problem.fields["import"], "", 1) + answer
    setup = problem.fields["setup"]
    used = [  # what a package exports begins with a capital; a sentence of a comment may end in "strings."
        package
        for package in _GO_PACKAGES
        if f'"{package}"' not in setup and re.search(rf"\b{package.rpartition('/')[2]}\.[A-Z]", body)
    ]
    imports = "".join(f'import "{package}"\n' for package in used)
    return f"{setup}\n{imports}{body}\n{problem.fields['test']}"


def _rust(problem: Problem, answer: str) -> str:
    tests = problem.fields["test"]
    program = problem.prompt
    for line, needs in _RUST_CRATES.items():
        if not re.search(needs, answer + tests):
            program = program.replace(line, "")
    calls = "".join(f"    tests::{name}();\n" for name in _RUST_TEST.findall(tests))
    called = _RUST_TEST.sub(r"pub fn \1", tests).replace("#[cfg(test)]", "")
    return f"{program}{answer}\n{called}\nfn main() {{\n{calls}}}\n"


_LAYOUTS = {"cpp": _cpp, "go": _go, "java": _java, "javascript": _javascript, "python": _python, "rust": _rust}
