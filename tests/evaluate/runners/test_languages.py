"""Every language: a right program passes; wrong, leaving, endless and broken ones do not."""

from __future__ import annotations

import pytest

from ownlm.evaluate.runners.base import Source, Status
from ownlm.evaluate.runners.registry import runners
from ownlm.evaluate.sandbox.program import Sandbox
from tests.evaluate.runners.conftest import installed
from tests.evaluate.runners.judging import NONCE, ended_of, said, status_of
from tests.evaluate.runners.programs import CASES

# A program of these takes over a second of compiling.
_SLOW = {"scala", "typescript"}
ENDLESS_CPU_SECONDS = 1.0


def _cases() -> list[object]:
    cases = []
    for language, case in CASES.items():
        kinds: list[tuple[str, str, Status]] = [
            ("right", case.right, "passed"),
            ("wrong", case.wrong, "failed"),
            *((f"leaves{place}", answer, "no_end") for place, answer in enumerate(case.leaves)),  # type: ignore[list-item]
            ("endless", case.endless, "timed_out"),
            ("broken", case.broken, case.refused),  # type: ignore[list-item]
        ]
        for kind, answer, status in kinds:
            slow = language in _SLOW or kind == "endless"
            marks = [pytest.mark.slow] if slow else []
            cases.append(pytest.param(language, answer, status, id=f"{language}-{kind}", marks=marks))
    return cases


def test_every_language_has_programs() -> None:
    assert set(CASES) == {one.language for one in runners()}


@pytest.mark.parametrize(("language", "answer", "status"), _cases())
def test_program(sandbox: Sandbox, language: str, answer: str, status: Status) -> None:
    installed(language)
    source = Source(language, CASES[language].layout % answer)
    program, ended = ended_of(sandbox, source, ENDLESS_CPU_SECONDS if status == "timed_out" else None)
    assert status_of(program, ended) == status, said(ended)


@pytest.mark.parametrize("language", ["bash", "javascript", "lua", "perl", "php", "python", "r", "ruby", "c"])
def test_text_of_the_program_printed_is_no_nonce(sandbox: Sandbox, language: str) -> None:
    """A program that prints its own files, as an open here-document or `?>` does, prints no line that is the nonce."""
    installed(language)
    program, _ = ended_of(sandbox, Source(language, CASES[language].layout % CASES[language].right))
    for content in program.files.values():
        assert NONCE.encode() not in content.split(b"\n")


@pytest.mark.parametrize(
    ("language", "answer"),
    [
        ("python", "    print(open('program.py').read()); exit(0)"),
        ("javascript", "console.log(require('fs').readFileSync(__filename, 'utf8')); process.exit(0)\n}\n"),
        ("ruby", "puts File.read(__FILE__); exit(0)\nend\n"),
        ("perl", "open(my $f, '<', $0) or exit(0); print <$f>; exit(0);\n}\n"),
        ("php", "echo @file_get_contents(__FILE__); exit(0);\n}\n"),
        ("lua", "print(io.open(arg[0]):read('a'))\nend\n"),
        ("c", "char all[512] = {0}; if (read(0, all, 511) > 0) write(1, all, 511); exit(0);"),
        (
            "java",
            "try { System.out.write(System.in.readAllBytes()); } catch (Exception e) {} System.exit(0); return 0;",
        ),
        ("csharp", "Console.Write(Console.In.ReadToEnd()); Environment.Exit(0); return 0;"),
    ],
)
def test_the_nonce_is_out_of_reach(sandbox: Sandbox, language: str, answer: str) -> None:
    installed(language)
    _, ended = ended_of(sandbox, Source(language, CASES[language].layout % answer))
    assert NONCE.encode() not in ended[-1].stdout + ended[-1].stderr


def test_java_finds_the_main_of_the_tests_not_one_the_answer_brings(sandbox: Sandbox) -> None:
    installed("java")
    decoy = (
        "return x; } } class Decoy { public static void main(String[] args) { } } "
        "class Last { static long twice(long x) { return x;"
    )
    program, ended = ended_of(sandbox, Source("java", CASES["java"].layout % decoy))
    assert status_of(program, ended) == "failed", said(ended)


def test_javascript_console_assert_throws(sandbox: Sandbox) -> None:
    installed("javascript")
    for held, status in (("1 === 1", "passed"), ("1 === 2", "failed")):
        program, ended = ended_of(sandbox, Source("javascript", f"console.assert({held}, 'one')\n"))
        assert status_of(program, ended) == status, said(ended)


def test_cpp_header_is_put_first_only_where_it_stands_first() -> None:
    installed("cpp")
    from ownlm.evaluate.runners.cpp import _BEGINS

    assert _BEGINS.match("#include<assert.h>\n#include<bits/stdc++.h>\nint main(){}")
    assert _BEGINS.match("// said\n/* more\n */\n  #include <bits/stdc++.h>\n")
    assert not _BEGINS.match("#define max 3\n#include<bits/stdc++.h>\n")
    assert not _BEGINS.match("int x;\n#include<bits/stdc++.h>\n")
    assert not _BEGINS.match("// #include<bits/stdc++.h>\nint main(){}")
    assert not _BEGINS.match('#include "own.h"\n#include<bits/stdc++.h>\n')


def test_go_without_tests_does_not_pass(sandbox: Sandbox) -> None:
    installed("go")
    text = 'package main\nimport "testing"\nvar _ testing.T\nfunc Testing() {}\n'
    program, ended = ended_of(sandbox, Source("go", text))
    assert status_of(program, ended) in ("failed", "compile_error"), said(ended)  # by version: a vain import


def test_rust_runs_test_functions_where_there_is_no_main(sandbox: Sandbox) -> None:
    installed("rust")
    text = (
        "fn twice(x: i32) -> i32 { %s }\n#[cfg(test)]\nmod tests {\n use super::*;\n"
        " #[test] fn holds() { assert_eq!(twice(4), 8); }\n}\n"
    )
    for answer, status in (("2 * x", "passed"), ("x", "failed"), ("std::process::exit(0)", "no_end")):
        program, ended = ended_of(sandbox, Source("rust", text % answer))
        assert status_of(program, ended) == status, said(ended)
