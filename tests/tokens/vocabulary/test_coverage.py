from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.data.clean.grammars import GRAMMARS
from ownlm.tokens.vocabulary.coverage import (
    LEVELS,
    ParsedText,
    cover_identifiers,
    cover_indentation,
    parse_identifiers,
    touching,
)
from ownlm.tokens.vocabulary.rivals import Coder, own
from tests.tokens.corpora import program, small

CASES = {
    "C": ("struct point { int x; } p; int f(Size n) { return p->x; } // no", "f n p p point x x Size"),
    "C#": ("class A { B F(C d) => d.e; } // no", "A B C F d d e"),
    "C++": ("ns::T<int> x = foo::bar(größe); // no", "T bar foo größe ns x"),
    "Go": ("package m\nfunc F(a T) int { return a.B } // no", "B F T a a int m"),
    "Java": ("class A { B f(C d) { return d.e; } /* no */ }", "A B C d d e f"),
    "JavaScript": ("const {a, b: c} = d.e; class F { g() { return 'no' } }", "F a b c d e g"),
    "PHP": ("<?php $x = new Foo(); $x->bar($y); // no", "Foo bar x x y"),
    "Python": ("def f(self, x):\n    return x.größe + 'no'  # no\n", "f größe self x x"),
    "Ruby": ("class Foo\n  def bar(x) = x.baz # no\nend", "Foo bar baz x x"),
    "Rust": ("fn main() { let a: Foo = b::c(d); s.field; } // no", "Foo a b c d field main s"),
    "TypeScript": ("interface A { b: C } // no", "A C b"),
}


def words(parsed: ParsedText) -> list[str]:
    data = parsed.text.encode()
    return [data[begin:end].decode() for begin, end in parsed.spans.tolist()]


@pytest.mark.parametrize("language", CASES)
def test_identifiers_are_names_in_code_and_not_words_of_comments(language: str) -> None:
    code, expected = CASES[language]
    parsed = parse_identifiers(code, language)
    assert sorted(words(parsed)) == sorted(expected.split())
    assert parsed.spans.tolist() == sorted(parsed.spans.tolist())


@pytest.mark.parametrize("language", GRAMMARS)
@pytest.mark.parametrize("text", ["", "\ufffd \u0301 )(", "x = größe + 'é"])
def test_any_text_can_be_parsed(language: str, text: str) -> None:
    assert parse_identifiers(text, language).spans.shape[1] == 2


@pytest.mark.parametrize("language", ["JSON", "Brainfuck"])
def test_a_language_without_identifiers_or_grammar_has_none(language: str) -> None:
    parsed = parse_identifiers('{"name": 1}', language)
    assert len(parsed.spans) == 0
    assert cover_identifiers(own(small()[1]), [parsed]) is None


@given(st.lists(st.integers(1, 4), max_size=12), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6))
def test_a_token_touches_a_span_when_they_share_a_byte(lengths: list[int], spans: list[tuple[int, int]]) -> None:
    ends = np.cumsum(np.array(lengths, np.int64))
    starts = ends - np.array(lengths, np.int64)
    asked = np.array([(begin, begin + length) for begin, length in spans], np.int64).reshape(-1, 2)
    tokens = [set(range(start, end)) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    expected = [sum(bool(token & set(range(*span))) for token in tokens) for span in asked.tolist()]
    assert touching(starts, ends, asked).tolist() == expected


def test_identifiers_are_counted_where_they_stand() -> None:
    vocabulary = small()[1]
    documents = [parse_identifiers(program(seed), "Python") for seed in range(2000, 2006)]
    found = cover_identifiers(own(vocabulary), documents)
    assert found is not None
    occurrences = one_token = tokens = 0
    each: dict[str, list[int]] = {}
    for document in documents:
        place = 0
        places = []
        for token in vocabulary.encode(document.text):
            places.append((place, place := place + len(vocabulary.token_bytes[token])))
        for word, (begin, end) in zip(words(document), document.spans.tolist(), strict=True):
            count = sum(start < end and stop > begin for start, stop in places)
            occurrences, one_token, tokens = occurrences + 1, one_token + (count == 1), tokens + count
            each.setdefault(word, []).append(count)
    assert (found.occurrences, found.one_token, found.tokens) == (occurrences, one_token, tokens)
    assert 0 < one_token < occurrences < tokens
    costs = {word: sum(counts) - len(counts) for word, counts in each.items()}
    assert [word for word, _, _ in found.costly] == sorted(
        (word for word in costs if costs[word]), key=lambda word: (-costs[word], word.encode())
    )[: len(found.costly)]
    assert all((times, count) == (len(each[word]), sum(each[word])) for word, times, count in found.costly)


def test_an_indentation_costs_the_tokens_a_line_has_more() -> None:
    vocabulary = small()[1]
    costs = cover_indentation(own(vocabulary))
    assert set(costs) == {"4 spaces", "2 spaces", "a tab"}
    one_space = len(vocabulary.encode("\n return"))
    assert costs["4 spaces"] == [len(vocabulary.encode("\n" + "    " * n + "return")) - one_space for n in LEVELS]
    assert costs["a tab"] == [len(vocabulary.encode("\n" + "\t" * n + "return")) - one_space for n in LEVELS]
    assert costs["4 spaces"][:3] == [1, 1, 1], "the programs are indented so"
    assert costs["a tab"] > costs["4 spaces"]
    assert costs["2 spaces"][3] == costs["4 spaces"][1]


def test_a_space_before_every_text_is_not_held_against_a_tokenizer() -> None:
    """Where each text begins with one token more, an indentation costs the same."""
    plain = own(small()[1])
    more = Coder("", "", 0, lambda texts: [[0, *ids] for ids in plain.encode(texts)], plain.decode, plain.spans)
    assert cover_indentation(more) == cover_indentation(plain)
