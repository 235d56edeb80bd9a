from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.data.clean.grammars import GRAMMARS
from ownlm.evaluate.company.config import LANGUAGES
from ownlm.evaluate.company.regions import cut, questions_in, regions_in
from ownlm.tokens.shards.reader import DocumentSpan

# One function with the inside of an if and of a loop in every language: header lines end in "!", lines of the body
# are marked by "~", lines of blocks by "~~" (the marks are taken off).
CODE = {
    "C": ("int f(int x) {", "~    int y = 1;", "~    if (x) {", "~~        y++;", "~    }", "~    return y;", "}"),
    "C#": ("class A {", "    int F(int x)", "    {", "~        var y = 1;", "~        foreach (var z in q) {",
           "~~            y++;", "~        }", "~        return y;", "    }", "}"),
    "C++": ("int f() {", "~    for (auto x : v) {", "~~        y(x);", "~~        z();", "~    }", "~    return;", "}"),
    "Go": ("func (s *T) F(x int) int {", "~\tif x > 0 {", "~~\t\ty++", "~\t}", "~\treturn y", "}"),
    "Java": ("class A {", "    A() {", "~        for (int z : q) {", "~~            y++;", "~        }", "    }", "}"),
    "JavaScript": ("function f(x) {", "~  for (const y of x) {", "~~    g(y);", "~  }", "~  return 1; // done", "}"),
    "Kotlin": ("fun f(x: Int): Int {", "~    if (x > 0) {", "~~        y += 1", "~    }", "~    return y", "}"),
    "Lua": ("local function f(x)", "~  if x then", "~~    y = 2", "~  end", "~  return y", "end"),
    "PHP": ("<?php", "function f($x) {", "~    if ($x) {", "~~        $y++;", "~    }", "~    return $y;", "}"),
    "Perl": ("sub f {", "~    my ($x) = @_;", "~    if ($x) {", "~~        $x++;", "~    }", "~    return $x;", "}"),
    "Python": ("def f(x):", '    """Say it."""', "~    with x as y:", "~~        y()", "~~        y", "~    return 1"),
    "Ruby": ("class A", "  def f(x)", "~    if x", "~~      y = 2", "~    end", "~    y", "  end", "end"),
    "Rust": ("impl A {", "    fn f(&self) -> i32 {", "~        if x > 0 {", "~~            return 2;", "~        }",
             "~        y", "    }", "}"),
    "Scala": ("object A {", "  def f(x: Int): Int = {", "~    if (x > 0) {", "~~      println(y)", "~    }", "~    y",
              "  }", "}"),
    "Shell": ("f() {", "~    for a in b; do", "~~        echo a", "~    done", "~    return 0", "}"),
    "Swift": ("class A {", "    func f(x: Int) -> Int {", "~        if x > 0 {", "~~            return 2", "~        }",
              "~        return y", "    }", "}"),
    "TSX": ("function f(x: number) {", "~  if (x) {", "~~    return <b/>;", "~  }", "~  return 1;", "}"),
    "TypeScript": ("class A {", "  m(x: number): number {", "~    if (x) {", "~~      return 2;", "~    }",
                   "~    return 1;", "  }", "}"),
}  # fmt: skip


def span(language: str = "Python", name: str = "a") -> DocumentSpan:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return DocumentSpan(0, digest, "test", "repo", name, language, 0, 1, 0)


def test_every_language_that_is_known_is_here() -> None:
    assert set(CODE) == LANGUAGES <= set(GRAMMARS)


@pytest.mark.parametrize("language", sorted(CODE))
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_bodies_and_blocks_of_every_language(language: str, line_end: str) -> None:
    marked = CODE[language]
    text = line_end.join([line.lstrip("~") for line in marked] + [""])
    for what, mark in (("body", "~"), ("block", "~~")):
        expected = [number for number, line in enumerate(marked, 1) if line.startswith(mark)]
        (question,) = questions_in(span(language), text, what, 1, 20)  # type: ignore[arg-type]
        assert question.number == expected[0]
        assert question.text == text
        assert question.before + text[question.start : question.stop] + question.after == text
        assert question.before.count("\n") == expected[0] - 1
        assert question.expected.count("\n") == len(expected) - 1
        assert question.after.startswith(line_end) or not question.after


def test_kinds() -> None:
    python = (
        "class A:\n    def f(self):\n        try:\n            a()\n        except E:\n            b()\n\n"
        "        def g():\n            c()\n        return g\n\n\ndef h():\n    return 1\n"
    )
    found = [(region.what, region.kind, region.first) for region in regions_in(python, "Python")]
    assert found == [
        ("body", "method", 2),
        ("block", "exception", 3),
        ("block", "exception", 5),
        ("body", "nested function", 8),
        ("body", "function", 13),
    ]
    script = "const f = (x) => {\n  return x;\n};\n"
    assert [region.kind for region in regions_in(script, "JavaScript")] == ["closure"]


@pytest.mark.parametrize(
    "text",
    [
        "def f(): return 1\n",  # no line of its own
        "def f():\n    x = '''\nat the margin\n'''\n    return x\n",  # a rule by indentation would cut it
        "class A:\n    x = 1\n    y = 2\n",  # neither block nor body
        "x = [\n    1,\n    2,\n]\n",
        "def f(:\n    return ((\n",
        "",
    ],
)
def test_what_is_not_asked(text: str) -> None:
    assert regions_in(text, "Python") == []


def test_languages_not_known_here_give_nothing() -> None:
    assert regions_in("if x\n    y\nend\n", "Julia") == []
    assert regions_in("x", "Brainfuck") == []


def test_documentation_alone_is_the_body() -> None:
    (region,) = regions_in('def f():\n    """Later."""\n', "Python")
    assert (region.first, region.last) == (1, 1)


def test_lengths_are_kept_to() -> None:
    text = "def f(x):\n" + "".join(f"    x += {number}\n" for number in range(5))
    assert len(list(questions_in(span(), text, "body", 5, 5))) == 1
    assert not list(questions_in(span(), text, "body", 6, 9))
    assert not list(questions_in(span(), text, "body", 1, 4))


@given(st.sampled_from(sorted(CODE)), st.text(st.sampled_from(" \n\tab}"), max_size=30))
def test_an_answer_that_goes_on_is_cut_where_the_author_ended(language: str, more: str) -> None:
    text = "\n".join([line.lstrip("~") for line in CODE[language]] + [""])
    for what in ("body", "block"):
        (question,) = questions_in(span(language), text, what, 1, 20)  # type: ignore[arg-type]
        assert cut(question.expected, question.indentation) == question.expected
        assert cut(question.expected + "\n}" + more, question.indentation) == question.expected


@given(st.text(st.sampled_from(" \n\tab}"), max_size=60), st.sampled_from(["  ", "\t", "    "]))
def test_what_was_cut_stays_as_it_is(written: str, indentation: str) -> None:
    once = cut(written, indentation)
    assert cut(once, indentation) == once
    assert all(line.startswith(indentation) for line in once.split("\n")[1:] if line)
