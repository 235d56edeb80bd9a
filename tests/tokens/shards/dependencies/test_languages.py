"""Each family of languages: what a text refers to, and which files of a repository that is."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from ownlm.tokens.shards.dependencies.order import imports, references

PYTHON = {
    "src/pkg/__init__.py": "from .core import run\nfrom . import tools as t\n",
    "src/pkg/core.py": "import json, os.path\nfrom pkg.tools import (  # one, two\n    one as first,\n    two,\n)\n",
    "src/pkg/tools.py": "from __future__ import annotations\n\ndef f():\n    from pkg import sub\n",
    "src/pkg/sub/__init__.py": "from ..core import *\n",
    "src/pkg/sub/deep.py": "from .. import tools, \\\n    core\nfrom ... import outside\nfrom .missing import x\n",
    "src/pkg/json.py": "import pkg.sub.deep as deep\n",
    "tests/test_core.py": "import pkg\nfrom pkg.core import run\nimport helper\n",
    "tests/helper.py": "import unittest\n",
    "docs/helper.py": "",
}
PYTHON_EDGES = {
    "src/pkg/__init__.py": ["src/pkg/core.py", "src/pkg/tools.py"],
    "src/pkg/core.py": ["src/pkg/tools.py"],
    "src/pkg/tools.py": ["src/pkg/sub/__init__.py"],
    "src/pkg/sub/__init__.py": ["src/pkg/core.py"],
    "src/pkg/sub/deep.py": ["src/pkg/core.py", "src/pkg/tools.py"],
    "src/pkg/json.py": ["src/pkg/sub/deep.py"],
    "tests/test_core.py": ["src/pkg/__init__.py", "src/pkg/core.py", "tests/helper.py"],
}
JAVASCRIPT = {
    "src/index.ts": 'export * from "./a";\nexport { b } from \'./b.js\'\nimport type { T } from "./types"\n',
    "src/a.ts": 'import fs from "fs";\nimport {\n  one,\n  two\n} from "./lib";\nconst x = "./b";\n',
    "src/b.ts": "const c = require('../c'), d = await import(\n  './d.mjs'\n)\n",
    "src/lib/index.tsx": 'import "..";\n',
    "src/types.d.ts": "",
    "src/d.mjs": 'import "../../outside"; import "./d.mjs"',
    "c.cjs": "require( './data.json' )",
    "data.json": "",
}
JAVASCRIPT_EDGES = {
    "src/index.ts": ["src/a.ts", "src/b.ts", "src/types.d.ts"],
    "src/a.ts": ["src/lib/index.tsx"],
    "src/b.ts": ["c.cjs", "src/d.mjs"],
    "src/lib/index.tsx": ["src/index.ts"],
    "c.cjs": ["data.json"],
}
GO = {
    "main.go": 'package main\nimport (\n\t"fmt"\n\tx "example.org/me/tool/internal/store"\n\t// "example.org/no"\n)\n',
    "internal/store/store.go": 'package store\n\nimport `example.org/me/tool/util`\nimport "encoding/json"\n',
    "internal/store/more.go": 'package store\nimport . "other.org/them/util"\n',
    "internal/store/store_test.go": "package store\n",
    "util/util.go": 'package util\nimport "example.org/me/tool/util"\n',
}
GO_EDGES = {
    "main.go": ["internal/store/more.go", "internal/store/store.go"],
    "internal/store/store.go": ["util/util.go"],
}
JVM = {
    "app/src/main/java/org/a/App.java": "import org.a.util.*;\nimport static org.a.model.User.of;\nimport java.A;\n",
    "app/src/main/java/org/a/util/Strings.java": "package org.a.util;\n",
    "app/src/main/java/org/a/util/Lists.kt": "package org.a.util\nimport org.a.model.User as U\n",
    "app/src/main/java/org/a/model/User.java": "package org.a.model;\n",
    "s/org/a/Main.scala": "import org.a.model.{User => U, Gone}\nimport org.a.util._\nimport `org`.a.Main\n",
}
JVM_EDGES = {
    "app/src/main/java/org/a/App.java": [
        "app/src/main/java/org/a/model/User.java",
        "app/src/main/java/org/a/util/Lists.kt",
        "app/src/main/java/org/a/util/Strings.java",
    ],
    "app/src/main/java/org/a/util/Lists.kt": ["app/src/main/java/org/a/model/User.java"],
    "s/org/a/Main.scala": [
        "app/src/main/java/org/a/model/User.java",
        "app/src/main/java/org/a/util/Lists.kt",
        "app/src/main/java/org/a/util/Strings.java",
    ],
}
C = {
    "src/main.c": '#include <stdio.h>\n#include "util.h"\n  #  include  "core/list.h"\n#include "../include/api.h"\n',
    "src/util.h": '#include "util.h"\n',
    "other/util.h": "",
    "include/core/list.h": '#include "api.h"\n',
    "include/api.h": '// #include "core/list.h"\n',
}
C_EDGES = {
    "src/main.c": ["include/api.h", "include/core/list.h", "src/util.h"],
    "include/core/list.h": ["include/api.h"],
}
RUST = {
    "crates/x/src/lib.rs": "pub mod a;\npub(crate) mod b;\nmod inline { }\nuse crate::b::Thing as Other;\n",
    "crates/x/src/a.rs": "mod deep;\nuse crate::{a::deep, b::{self, Thing}};\nmod tests {\n    use super::*;\n}\n",
    "crates/x/src/a/deep.rs": "use super::super::b;\nuse super::helper;\nuse std::fmt;\n",
    "crates/x/src/b/mod.rs": "use self::leaf::Leaf;\nmod leaf;\n",
    "crates/x/src/b/leaf.rs": "use super::Thing;\n",
    "build.rs": "use crate::nothing;\n",
}
RUST_EDGES = {
    "crates/x/src/lib.rs": ["crates/x/src/a.rs", "crates/x/src/b/mod.rs"],
    "crates/x/src/a.rs": ["crates/x/src/a/deep.rs", "crates/x/src/b/mod.rs"],
    "crates/x/src/a/deep.rs": ["crates/x/src/b/mod.rs"],
    "crates/x/src/b/mod.rs": ["crates/x/src/b/leaf.rs"],
}
RUBY = {
    "lib/tool.rb": "require 'json'\nrequire \"tool/core\"\nrequire_relative 'tool/more'\n",
    "lib/tool/core.rb": "require_relative('../tool')\n  require_relative \"more.rb\" # x\n",
    "lib/tool/more.rb": "puts 'require_relative \"core\"'\n",
}
RUBY_EDGES = {
    "lib/tool.rb": ["lib/tool/core.rb", "lib/tool/more.rb"],
    "lib/tool/core.rb": ["lib/tool.rb", "lib/tool/more.rb"],
}
PHP = {
    "index.php": "<?php\nrequire_once __DIR__ . '/src/boot.php';\ninclude('missing.php');\nuse App\\Model\\User;\n",
    "src/boot.php": "<?php\nuse App\\Model\\{User, Post as P};\nuse function strlen;\nuse Exception;\n",
    "src/Model/User.php": "<?php\nnamespace App\\Model;\nuse \\App\\Model\\Post;\n",
    "src/Model/Post.php": "<?php require dirname(__FILE__).'/User.php';\n",
}
PHP_EDGES = {
    "index.php": ["src/Model/User.php", "src/boot.php"],
    "src/boot.php": ["src/Model/Post.php", "src/Model/User.php"],
    "src/Model/User.php": ["src/Model/Post.php"],
    "src/Model/Post.php": ["src/Model/User.php"],
}
LANGUAGES = {
    "py": "Python",
    "ts": "TypeScript",
    "tsx": "TSX",
    "mjs": "JavaScript",
    "cjs": "JavaScript",
    "go": "Go",
    "mod": "Go Module",
    "java": "Java",
    "kt": "Kotlin",
    "scala": "Scala",
    "c": "C",
    "h": "C++",
    "rs": "Rust",
    "rb": "Ruby",
    "php": "PHP",
    "json": "JSON",
}


def edges(files: dict[str, str], repository: str = "me/tool") -> dict[str, list[str]]:
    said = {}
    for path, text in files.items():
        language = LANGUAGES[path.rpartition(".")[2]]
        said[path] = (language, references(language, text))
    return imports(repository, said)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (PYTHON, PYTHON_EDGES),
        (JAVASCRIPT, JAVASCRIPT_EDGES),
        (GO, GO_EDGES),
        (JVM, JVM_EDGES),
        (C, C_EDGES),
        (RUST, RUST_EDGES),
        (RUBY, RUBY_EDGES),
        (PHP, PHP_EDGES),
    ],
    ids=["python", "javascript", "go", "jvm", "c", "rust", "ruby", "php"],
)
def test_imports(files: dict[str, str], expected: dict[str, list[str]]) -> None:
    assert edges(files) == expected
    backwards = dict(reversed(files.items()))
    assert edges(backwards) == expected, "the order of the table does not matter"
    below = {f"deep/down/{path}": text for path, text in files.items() if path != "main.go"}
    moved = {f"deep/down/{path}": [f"deep/down/{one}" for one in found] for path, found in expected.items()}
    assert edges(below) == {path: found for path, found in moved.items() if path != "deep/down/main.go"}


def test_a_go_mod_says_where_a_module_begins() -> None:
    files = {
        "go.mod": "module example.org/renamed/v3 // x\n\ngo 1.22\n",
        "main.go": 'package main\nimport "example.org/renamed/v3/util"\nimport "example.org/renamed/v3/tools/gen"\n',
        "util/util.go": "package util\n",
        "tools/go.mod": 'module "example.org/renamed/v3/tools"\n',
        "tools/gen/gen.go": "package gen\n",
    }
    assert edges(files, "me/other") == {"main.go": ["tools/gen/gen.go", "util/util.go"]}
    del files["go.mod"], files["tools/go.mod"]
    assert edges(files, "me/other") == {}
    assert edges(files, "me/Renamed") == {"main.go": ["tools/gen/gen.go", "util/util.go"]}


def test_gos_own_sources_import_by_folder() -> None:
    files = {"go/src/net/http/h.go": 'package http\nimport "encoding/json"\n', "go/src/encoding/json/j.go": ""}
    assert edges(files, "go") == {"go/src/net/http/h.go": ["go/src/encoding/json/j.go"]}


def test_each_reference_is_named_once() -> None:
    assert references("C", '#include "a.h"\n' * 3) == ["a.h"]
    assert references("Haskell", "import A") == []


@pytest.mark.parametrize("language", sorted(set(LANGUAGES.values()) - {"JSON"}))
@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, " " * 10**6, "import " * 150_000, "from 'x\n" * 100_000, "use a::{" * 100_000, "import (" * 100_000,
     "require('" * 100_000, "from a import (" * 60_000, "\n" * 10**6, "use crate::{" + "a::{" * 1000 + ";"],
    ids=["letters", "blanks", "imports", "froms", "braces", "brackets", "quotes", "unclosed", "lines", "nested"],
)  # fmt: skip
def test_no_text_takes_forever(language: str, text: str) -> None:
    """A megabyte of anything: quadratic work would be a matter of hours, so this test then never ends."""
    assert len(references(language, text)) <= len(text)


def _read_by_the_interpreter(text: str) -> set[str]:
    """The definition of Python's references, from Python's own syntax tree."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            for alias in node.names:
                dot = "" if stem.endswith(".") or not stem else "."
                found.add(stem if alias.name == "*" else stem + dot + alias.name)
    return found


def test_python_as_the_interpreter_reads_it() -> None:
    root = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(root.glob("[a-c]*.py")) + sorted(root.glob("concurrent/**/*.py")) + sorted(root.glob("email/*.py"))
    mine = truth = both = 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        expected, found = _read_by_the_interpreter(text), set(references("Python", text))
        both, mine, truth = both + len(expected & found), mine + len(found), truth + len(expected)
    assert truth > 300
    assert both / truth > 0.99, "what follows a semicolon is not seen"
    assert both / mine > 0.98, "lines of a text in quotes may look like imports"
