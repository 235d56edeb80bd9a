"""Where a function in a language of braces ends, with strings, comments and characters that hold braces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.evaluate.suites.braces import depths, function_end

LANGUAGES = ("cpp", "go", "java", "javascript", "rust")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "body",
    [
        "  return x;\n}",
        "  if (x) { y(); } else { z(); }\n  return x;\n}",
        '  s = "}";\n}',
        '  s = "a\\"}{";\n}',
        "  c = '}';\n}",
        "  c = '\\'';\n  d = '{';\n}",
        "  // }\n  /* } } */ return x;\n}",
        "  return x; }",
    ],
)
def test_an_answer_ends_after_the_brace_of_its_function(language: str, body: str) -> None:
    for more in ("", "\n", "\n\nint other(int y) {\n  return y", "\n// The end", "\n}\n}\n"):
        text = body + more
        kept = text[: function_end(text, language)]
        assert kept.rstrip() == body


@pytest.mark.parametrize(
    ("language", "body"),
    [
        ("rust", "    let a: &'a str = x;\n    let b = r#\"}\"#;\n    let c = '\\u{7d}';\n}"),
        ("rust", "    match c { '}' => 1, '\\'' => 2, _ => 3 }\n}"),
        ("go", "    s := `}` + \"}\"\n    r := '}'\n    return s\n}"),
        ("javascript", "  return `a ${x} }` + s.replace(/[{}]/g, '}')\n}"),
        ("javascript", '  return s.split(/"/).length / 2 + "}".length / 1\n}'),
        ("java", '        return """\n  }\n""" + \'}\';\n    }'),
    ],
)
def test_what_only_some_languages_have(language: str, body: str) -> None:
    text = body + "\n\nfn other() {"
    assert text[: function_end(text, language)] == body


def test_an_answer_that_ends_whole_keeps_its_helpers() -> None:
    whole = "  return help(x);\n}\n\nint help(int x) {\n  return x;\n}\n"
    assert function_end(whole, "cpp") == len(whole)
    broken = whole + "\nint more(int x) {"
    assert broken[: function_end(broken, "cpp")] == "  return help(x);\n}"


def test_a_class_around_the_function_may_be_closed_too() -> None:
    closed = "        return x;\n    }\n}"
    assert function_end(closed, "java", 1) == len(closed)
    assert function_end(closed + "\n}", "java", 1) == closed.index("}") + 1
    assert function_end(closed, "cpp") == closed.index("}") + 1


@pytest.mark.parametrize("language", LANGUAGES)
@given(st.text(alphabet="ab{}\"'`/*\\\n ", max_size=50))
def test_an_end_is_found_once(language: str, text: str) -> None:
    end = function_end(text, language)
    assert 0 <= end <= len(text)
    assert function_end(text[:end], language) == end


@given(st.text(alphabet="a{} \n", max_size=50))
def test_without_strings_it_is_counting(text: str) -> None:
    counted = [
        (at + 1, text[: at + 1].count("{") - text[: at + 1].count("}")) for at, c in enumerate(text) if c in "{}"
    ]
    assert list(depths(text, "cpp")) == counted
