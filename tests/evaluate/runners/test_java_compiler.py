"""The warm javac: what it makes runs, what it refuses it explains, and programs never meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ownlm.evaluate.runners import java_compiler
from ownlm.evaluate.runners.base import Source
from ownlm.evaluate.runners.java_compiler import JavaCompilers
from ownlm.evaluate.runners.language import COMPILE
from ownlm.evaluate.runners.registry import runner
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.program import Program
from tests.evaluate.runners.conftest import installed

NONCE = "0123456789abcdef"
MAIN = "class Main { public static void main(String[] names) { %s } }"


@pytest.fixture(scope="module")
def compilers(bubblewrap: BubblewrapSandbox) -> Iterator[JavaCompilers]:
    installed("java")
    opened = JavaCompilers(bubblewrap)
    yield opened
    opened.close()


def program(text: str) -> Program:
    return runner("java").program(Source("java", text), NONCE)


def test_what_it_compiled_runs_as_what_javac_compiled(bubblewrap: BubblewrapSandbox, compilers: JavaCompilers) -> None:
    text = """import java.util.*;
import java.util.stream.*;

interface Shape { int area(); }
class Solution { int twice(int x) { Shape s = () -> 2 * x; return new Object() { int y = s.area(); }.y; } }
public class Tests {
    record Pair(int a, int b) {}
    public static void main(String[] names) {
        if (new Solution().twice(21) != 42 || new Pair(1, 2).b() != 2) throw new AssertionError();
        System.out.println(IntStream.range(0, 5).boxed().collect(Collectors.toList()) + " é");
    }
}
"""
    whole = program(text)
    compiled, rest = compilers.compile(whole)
    assert (compiled.how, compiled.code, compiled.stderr) == ("exit", 0, b"")
    assert rest is not None
    assert sorted(rest.files) == [
        "Shape.class",
        "Solution$1.class",
        "Solution.class",
        "Tests$Pair.class",
        "Tests.class",
    ]
    (warm,), (_, cold) = bubblewrap.run(rest), bubblewrap.run(whole)
    assert (warm.how, warm.code, warm.stdout) == (cold.how, cold.code, cold.stdout)
    assert NONCE.encode() in warm.stdout


def test_a_program_that_does_not_compile_is_told_why(compilers: JavaCompilers) -> None:
    ended, rest = compilers.compile(program(MAIN % "int x = missing;"))
    assert rest is None
    assert (ended.how, ended.code) == ("exit", 1)
    assert "Main.java:1: error: cannot find symbol" in ended.stderr.decode() or b"Problem.java:1" in ended.stderr


def test_no_program_sees_the_classes_of_another(compilers: JavaCompilers) -> None:
    hidden, rest = compilers.compile(program("class Hidden { static int answer = 42; }\n" + MAIN % ""))
    assert hidden.code == 0
    assert rest is not None
    assert sorted(rest.files) == ["Hidden.class", "Main.class"]
    seen, _ = compilers.compile(program(MAIN % "int x = Hidden.answer;"))
    assert b"cannot find symbol" in seen.stderr


def test_a_compiler_that_met_a_limit_is_replaced(
    bubblewrap: BubblewrapSandbox, compilers: JavaCompilers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java_compiler, "COMPILE", replace(COMPILE, wall_seconds=0.001))
    impatient = JavaCompilers(bubblewrap)
    try:
        ended, rest = impatient.compile(program(MAIN % ""))
        assert (ended.how, rest) == ("wall", None)
        monkeypatch.undo()
        ended, rest = impatient.compile(program(MAIN % ""))
        assert (ended.how, ended.code) == ("exit", 0)
    finally:
        impatient.close()


def test_nesting_that_breaks_the_compiler_is_a_program_that_does_not_compile(compilers: JavaCompilers) -> None:
    ended, rest = compilers.compile(program(MAIN % ("int x = " + "(" * 20000 + "1" + ")" * 20000 + ";")))
    assert rest is None
    assert ended.code == 1
    good, _ = compilers.compile(program(MAIN % ""))
    assert good.code == 0
