"""Prompts for editors: what stays while a person types, what fits, where other files stand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import InputError
from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.prompt.build import PromptBuilder
from ownlm.serve.prompt.other_files import RepositoryFiles
from ownlm.serve.prompt.room import shared
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.serve.prompt.typing_session import reuse

parts = st.lists(
    st.sampled_from(["def f(x):\n", "    return x\n", "x", "\r\n", " ", "日本", "\n\n", "class A:\n", "}", "a" * 40]),
    max_size=60,
).map("".join)
kinds = st.sampled_from(["declaration", "changed", "opened", "clipboard", "repository"])
snippets = st.lists(
    st.builds(Snippet, st.sampled_from(["a.py", "b/c.py", ""]), parts, kinds, st.floats(0, 1)), max_size=5
).map(tuple)
orders = st.sampled_from(["suffix_first", "prefix_first"])


def a_file(lines: int) -> str:
    draw = random.Random(0)
    text = []
    for number in range(lines // 8):
        text.append(f"def function_{number}(first, second):\n")
        text += [f"    value_{draw.randrange(99)} = first * {draw.randrange(999)} + second\n" for _ in range(5)]
        text += ["    return first\n", "\n"]
    return "".join(text)


OTHERS = tuple(
    Snippet(f"src/{name}.py", f"def {name}(item):\n    return item.{name} + {number}\n", "opened", score=number)
    for number, name in enumerate(["stack", "queue", "heap", "tree"])
)


TEXT = a_file(240)
BEGIN, KEYS, AT_ONCE = len(TEXT) // 2, 100, 8


def context_at(cursor: int, window: int | None = None) -> CodeContext:
    """With `window`, from an editor that sends so many lines before the cursor."""
    prefix = TEXT[:cursor]
    if window is not None:
        prefix = "\n".join(prefix.split("\n")[-window:])
    shuffled = tuple(random.Random(cursor).sample(OTHERS, len(OTHERS)))  # clients sort by score, which moves
    return CodeContext(prefix, TEXT[BEGIN + KEYS * AT_ONCE :], "Python", "src/own.py", "", shuffled)


def cursors() -> range:
    return range(BEGIN, BEGIN + KEYS * AT_ONCE, AT_ONCE)


@pytest.mark.parametrize(("window", "named"), [(None, False), (100, True)])
def test_a_typing_session_reads_little_anew(vocabulary: Vocabulary, window: int | None, named: bool) -> None:
    """In a file many times as long as the context; with the longest ends that fit every line moves everything."""
    builder = PromptBuilder(vocabulary, 1400, RepositoryFiles(vocabulary, names=True) if named else None)
    contexts = [context_at(cursor, window) for cursor in cursors()]
    same, moved = reuse([builder.code(code, 32, "suffix_first", snippets=True).ids for code in contexts])
    assert same > 0.95
    assert moved < 0.05


def test_exact_ends_would_be_read_anew_much_more_often(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 1400)
    codes = [context_at(cursor) for cursor in cursors()]
    exact = [builder.text(code.prefix, code.suffix, 32, "suffix_first").ids for code in codes]
    assert reuse(exact)[1] > 0.15


@given(
    parts, parts | st.none(), snippets, st.integers(1, 80), orders, st.booleans(), st.integers(16, 200), st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_prompt_and_answer_fit(
    vocabulary: Vocabulary,
    prefix: str,
    suffix: str | None,
    others: tuple[Snippet, ...],
    max_tokens: int,
    order: str,
    named: bool,
    context: int,
    fills: bool,
) -> None:
    files = RepositoryFiles(vocabulary, names=True) if named else None
    builder = PromptBuilder(vocabulary, context, files, fill_in_the_middle=fills)
    code = CodeContext(prefix, suffix, "Python", "own.py", "git@host:a/b.git", others)
    prompt = builder.code(code, max_tokens, order, snippets=True)  # type: ignore[arg-type]
    assert len(prompt.ids) + prompt.max_tokens <= context
    assert prompt.max_tokens >= min(max_tokens, context // 2)
    text = vocabulary.decode(prompt.ids)
    near = prefix.removesuffix(prompt.taken_back)
    special = vocabulary.special
    if not prompt.cut:
        assert near in text
        assert not fills or (suffix or "") in text
    assert (special.fim_middle in prompt.ids) <= (fills and bool(suffix))
    assert prompt.ids.count(special.fim_prefix) <= 1
    assert prompt.length == len(prefix)


@given(st.integers(8, 4000), st.integers(0, 4000), st.integers(0, 4000), st.integers(0, 4000))
def test_shares(room: int, rest: int, suffix: int, others: int) -> None:
    rest = min(max(rest, room // 4), room)
    share = shared(room, rest, min(suffix, rest), min(others, rest))
    assert share.suffix <= suffix
    assert share.snippets <= others
    assert share.suffix + share.snippets <= max(rest, room // 2)
    assert share.suffix >= min(suffix, rest, room // 4)
    assert share.snippets >= min(others, rest, room // 4)


def shown(builder: PromptBuilder, vocabulary: Vocabulary, context: CodeContext) -> str:
    return vocabulary.decode(builder.code(context, 32, "suffix_first", snippets=True).ids)


def test_other_files_stand_where_training_had_them(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 512, RepositoryFiles(vocabulary, names=True))
    context = CodeContext("x = st", "\ny = 2\n", "Python", "own.py", "https://me:secret@host.org/a/b.git", OTHERS[:2])
    assert shown(builder, vocabulary, context) == (
        "<|end_of_text|><|repo_name|>host.org/a/b"
        "<|file_sep|>src/queue.py\ndef queue(item):\n    return item.queue + 1\n"
        "<|file_sep|>src/stack.py\ndef stack(item):\n    return item.stack + 0\n"
        "<|file_sep|>own.py\n<|fim_prefix|><|fim_suffix|>\ny = 2\n<|fim_middle|>x = st"
    )
    nameless = CodeContext("x = st", None, "Python", "", "", OTHERS[:2])
    assert shown(builder, vocabulary, nameless) == (
        "<|end_of_text|>def queue(item):\n    return item.queue + 1\n"
        "<|file_sep|>def stack(item):\n    return item.stack + 0\n<|file_sep|>x = st"
    )


def test_without_training_on_repositories_they_are_comments(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 512)
    context = CodeContext("x = st", "\r\ny = 2\r\n", "Python", "own.py", "", OTHERS[:1])
    comment = "# src/stack.py\r\n# def stack(item):\r\n#     return item.stack + 0\r\n"
    assert (
        shown(builder, vocabulary, context) == f"<|fim_prefix|><|fim_suffix|>\r\ny = 2\r\n<|fim_middle|>{comment}x = st"
    )
    css = CodeContext("a {", None, "CSS", "", "", (Snippet("b.css", "button { } /* c */", "opened"),))
    assert shown(builder, vocabulary, css) == "<|end_of_text|>/* b.css */\n/* button { } /* c */\na {"
    json = CodeContext("{", None, "JSON", "", "", OTHERS)
    assert shown(builder, vocabulary, json) == "<|end_of_text|>{"


def test_a_snippet_is_cut_at_the_end_of_a_line(vocabulary: Vocabulary) -> None:
    long = Snippet(
        "long.py", "".join(f"value_{number} = {number} + something_else\n" for number in range(90)), "opened"
    )
    context = CodeContext("x = 1\n" * 40, None, "Python", "own.py", "", (long, OTHERS[0]))
    for size in range(200, 300, 7):
        text = shown(PromptBuilder(vocabulary, size), vocabulary, context)
        for line in text.removeprefix("<|end_of_text|>").splitlines():
            assert line.startswith("# ") or set(line) <= set("x = 1")


def test_what_stands_there_already_is_not_shown(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 512)
    same = Snippet("other.py", "def area(width, height):\n    return width * height\n", "changed")
    again = Snippet("copy.py", same.text, "opened")
    assert shown(builder, vocabulary, CodeContext(same.text, None, "Python", "", "", (same,))).count("area") == 1
    assert shown(builder, vocabulary, CodeContext("x = 1\n", same.text, "Python", "", "", (same,))).count("area") == 1
    assert shown(builder, vocabulary, CodeContext("x = 1\n", None, "Python", "", "", (same, again))).count("area") == 1


def test_a_model_that_does_not_fill_in_goes_on_from_the_prefix(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 256, fill_in_the_middle=False)
    assert shown(builder, vocabulary, CodeContext("x = ", "\ny\n", "Python")) == "<|end_of_text|>x ="


def test_only_the_part_that_matters_is_encoded(vocabulary: Vocabulary, encoded: list[int]) -> None:
    huge = tuple(Snippet(f"{number}.py", f"value_{number} = 1\n" * 5_000, "opened") for number in range(50))
    context = CodeContext("x = 1\n" * 50_000, "y = 2\n" * 50_000, "Python", "", "", huge)
    PromptBuilder(vocabulary, 256).code(context, 32, "suffix_first", snippets=True)
    assert 0 < sum(encoded) < 50_000


def test_the_prompt_of_an_editor_is_limited(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 4096)
    context = CodeContext(a_file(80), a_file(80), "Python")
    prompt = builder.code(context, 32, "suffix_first", snippets=True, limit=300)
    assert 200 < len(prompt.ids) <= 300


@pytest.mark.parametrize(
    "context",
    [
        CodeContext("a\ud800", None),
        CodeContext("a", "\udc00"),
        CodeContext("a", None, "Python", "", "", (Snippet("", "abc\ud800", "opened"),)),
    ],
)
def test_a_lone_surrogate_is_an_error(vocabulary: Vocabulary, context: CodeContext) -> None:
    with pytest.raises(InputError):
        PromptBuilder(vocabulary, 64).code(context, 8, "suffix_first", snippets=True)


def test_without_snippets_nothing_changes(vocabulary: Vocabulary) -> None:
    builder = PromptBuilder(vocabulary, 128)
    text = a_file(80)
    context = CodeContext(text, text, "Python", "", "", OTHERS)
    assert builder.code(context, 8, "suffix_first", snippets=False) == builder.text(text, text, 8, "suffix_first")
