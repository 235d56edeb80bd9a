"""Trimming: golden cases rule by rule, and what must hold for every text, language, cursor and cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.data.clean.grammars import GRAMMARS
from ownlm.serve.prompt.languages import SYNTAX
from ownlm.serve.prompt.trim import trimmer
from ownlm.serve.prompt.trim.rule import Rule
from ownlm.serve.prompt.trim.site import Site
from ownlm.serve.prompt.trim.trimmer import RULES, Trimmer, trimmed
from tests.serve.prompt.trimming import CASES, Case, all_cases

BY_NAME: dict[str, Rule] = {rule.__name__: rule for rule in RULES}  # type: ignore[attr-defined]
GOLDEN = all_cases()
SITES = [case.site for case in GOLDEN]
WORDS = [
    *("\n", "\n\n", "    ", "        ", "\t", " ", "\r\n", "x = 1", "return x", "foo(", ")", "]", "[", "}", "{", "},"),
    *(
        "});",
        "else:",
        "else",
        "} else {",
        "end",
        "fi",
        "elsewhere",
        "def f():",
        "def ",
        "func ",
        "@",
        "pub fn",
        "class",
    ),
    *("#include <a>", "# a", "// a", '"', "'", '"""', "\\", "<|fim_middle|>", "<|fi", "<PRE>", "None, ", "a", ";", "é"),
]
texts = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)
sites = st.sampled_from(SITES) | st.builds(Site.of, texts, texts | st.none(), st.sampled_from([*SYNTAX, "", "Text"]))
rules = st.sampled_from(RULES)


def test_every_rule_has_a_file_of_cases() -> None:
    assert {file.stem for file in CASES.glob("*.txt")} == {*BY_NAME, "together"}


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case.rule}: {case.what}")
def test_golden(case: Case) -> None:
    alone = Trimmer(case.site, (BY_NAME[case.rule],) if case.rule in BY_NAME else RULES)
    assert alone.push(case.generated) + alone.flush() == case.kept


def test_every_language_with_a_grammar_is_known_and_has_a_case() -> None:
    assert set(SYNTAX) >= set(GRAMMARS)
    assert {case.language for case in GOLDEN} >= set(GRAMMARS)


@given(texts, sites, st.lists(st.integers(0, 80)))
@settings(max_examples=600, deadline=None)
def test_pieces_joined_are_the_whole_trimmed(text: str, site: Site, cuts: list[int]) -> None:
    """And nothing given out is taken back: the trimmer has no way to."""
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    streaming = Trimmer(site)
    given_out = "".join(streaming.push(text[start:stop]) for start, stop in pairwise(places))
    assert given_out + streaming.flush() == trimmed(text, site)


@given(texts, sites)
@settings(max_examples=300, deadline=None)
def test_one_character_at_a_time(text: str, site: Site) -> None:
    """It ends at the very character that decides, which is the last one looked at."""
    streaming = Trimmer(site)
    given_out, seen = "", 0
    for letter in text:
        if streaming.ended:
            break
        given_out += streaming.push(letter)
        seen += 1
    ended = streaming.ended
    given_out += streaming.flush()
    assert given_out == trimmed(text, site) == trimmed(text[:seen], site)
    assert text.startswith(given_out)
    if ended:
        early = Trimmer(site)
        early.push(text[: seen - 1])
        assert not early.ended


@given(rules, texts, sites, texts)
@settings(max_examples=1000, deadline=None)
def test_what_every_rule_holds(rule: Rule, text: str, site: Site, more: str) -> None:
    now, then = rule(text, site, final=False), rule(text + more, site, final=False)
    assert 0 <= now.certain <= len(text)
    if now.decided is not None:
        assert now.certain <= now.decided <= len(text)
        assert (then.certain, then.decided) == (now.certain, now.decided)
        first = text[: now.decided]
        assert rule(first, site, final=False).decided == now.decided
        assert rule(first[:-1], site, final=False).decided is None
    if now.certain == len(text):
        assert then.certain >= len(text)
        assert rule(text + more, site, final=True).certain >= len(text)


@given(texts, sites)
@settings(max_examples=300, deadline=None)
def test_trimming_what_is_trimmed_changes_nothing(text: str, site: Site) -> None:
    once = trimmed(text, site)
    assert trimmed(once, site) == once


def test_large_files_cost_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Site.of("def f():\n    ", "\nprint(1)\n", "Python")
    large = Site.of("x = 1\n" * 500_000 + "def f():\n    ", "\nprint(1)\n" + "y = 2\n" * 500_000, "Python")
    assert len(large.around) < 20_000
    assert (large.line, large.next_line, large.multiline) == (small.line, small.next_line, small.multiline)
    assert trimmer.trimmed("return 1\nprint(1)\n", large) == "return 1"
