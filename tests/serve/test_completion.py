"""The one way all answers take, without HTTP: pieces, cancelling, scores, echo."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ownlm.serve.call import CompletionOptions
from ownlm.serve.completion import Piece, complete, token_text
from ownlm.serve.echo import echo_piece
from ownlm.serve.model import ServedModel
from ownlm.serve.prompt.build import Prompt
from ownlm.serve.prompt.trim.site import Site
from ownlm.serve.prompt.trim.trimmer import trimmed
from tests.serve.scripted import ScriptedEngine

texts = st.text(alphabet="ab \nöç日", max_size=20)


def pieces_of(model: ServedModel, max_tokens: int = 100, **options: object) -> list[Piece]:
    pieces: list[Piece] = []
    complete(model, Prompt((0, 200), max_tokens, 5), CompletionOptions(**options), pieces.append)  # type: ignore[arg-type]
    return pieces


@given(texts, st.lists(st.text(alphabet="ab \n", min_size=1, max_size=3), max_size=3), st.integers(1, 30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_are_the_text_up_to_the_first_stop(
    scripted: ServedModel, text: str, stops: list[str], max_tokens: int
) -> None:
    engine = ScriptedEngine(scripted.vocabulary)
    engine.say_bytes(text.encode())
    pieces = pieces_of(replace(scripted, engine=engine), max_tokens, stop=tuple(stops), logprobs=0)
    shown = text.encode()[:max_tokens].decode(errors="ignore")
    ends = [(shown.find(stop) + len(stop), shown.find(stop)) for stop in stops if stop in shown]
    joined = "".join(piece.text for piece in pieces)
    assert shown.startswith(joined)
    assert len(joined) <= min(ends, default=(0, len(shown)))[1]  # the stop that is complete first
    if not ends:
        assert joined == shown
    assert [piece.finish is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    tokens = [token for piece in pieces for token in piece.tokens]
    assert all(5 <= token.offset < 5 + len(joined) for token in tokens)
    assert len(tokens) == len(joined.encode())  # one a byte


@given(texts, st.sampled_from(["", " ", "\t"]), st.sampled_from([(), ("\n",), ("a",)]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_blank_taken_back_is_not_given_twice(
    scripted: ServedModel, text: str, blank: str, stop: tuple[str, ...]
) -> None:
    """The client has the blank already: an answer that opens with it goes on behind it, any other stays as it is."""
    engine = ScriptedEngine(scripted.vocabulary)
    engine.say(text)
    model = replace(scripted, engine=engine)
    pieces: list[Piece] = []
    complete(model, Prompt((0, 200), 100, 5, taken_back=blank), CompletionOptions(stop=stop), pieces.append)
    expected = text.removeprefix(blank)
    for end in stop:
        expected = expected.split(end)[0]
    assert "".join(piece.text for piece in pieces) == expected


def test_cancelling_ends_every_choice(scripted: ServedModel) -> None:
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.say_bytes(b"abcdef")
    seen: list[Piece] = []
    prompt = Prompt((0,), 50, 0)
    generated = complete(scripted, prompt, CompletionOptions(choices=3), seen.append, lambda: len(seen) >= 2)
    assert len(seen) == 2
    assert generated == engine.steps == 2 + 3  # each choice is asked once more, and ends


code = st.lists(st.sampled_from(["\n", "    ", "x", " = ", ")", "(", "return", "é", "日", "\n\n\n"]), max_size=12).map(
    "".join
)


@given(code, st.sampled_from(["f(", "def f():\n    ", "x = 1\n"]), st.sampled_from([")", "\n    return\n", None]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_for_an_editor_the_text_is_trimmed_as_it_comes(
    scripted: ServedModel, text: str, prefix: str, suffix: str | None
) -> None:
    engine = ScriptedEngine(scripted.vocabulary)
    engine.say_bytes(text.encode())
    site = Site.of(prefix, suffix, "Python")
    pieces: list[Piece] = []
    options = CompletionOptions(choices=2, logprobs=0)
    complete(replace(scripted, engine=engine), Prompt((0,), 200, 0), options, pieces.append, site=site)
    for choice in range(2):
        own = [piece for piece in pieces if piece.choice == choice]
        said = "".join(piece.text for piece in own)
        assert said == trimmed(text, site)
        assert sum(len(piece.tokens) for piece in own) == len(said.encode())  # one a byte
        assert own[-1].finish == "stop"


def test_a_trimming_rule_ends_the_generation_at_the_token_that_decides(scripted: ServedModel) -> None:
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.say_bytes(b"a, b)) and much more")
    pieces: list[Piece] = []
    options = CompletionOptions()
    complete(scripted, Prompt((0,), 200, 0), options, pieces.append, site=Site.of("f(", ")", "Python"))
    assert "".join(piece.text for piece in pieces) == "a, b"
    assert engine.steps == len("a, b)")


def test_what_is_held_back_comes_when_the_time_is_over(scripted: ServedModel) -> None:
    engine = scripted.engine
    assert isinstance(engine, ScriptedEngine)
    engine.say_bytes(b"x = 1<|fim_mid and so on")
    pieces: list[Piece] = []
    late = len(b"x = 1<|fim_mid")
    options = CompletionOptions(stop=("<|fim_middle|>",))
    complete(scripted, Prompt((0,), 200, 0), options, pieces.append, lambda: engine.steps > late)
    assert "".join(piece.text for piece in pieces) == "x = 1<|fim_mid"
    assert all(piece.finish is None for piece in pieces)


def test_no_tokens_asked_none_computed(scripted: ServedModel) -> None:
    (piece,) = pieces_of(scripted, max_tokens=0)
    assert (piece.text, piece.finish) == ("", "length")
    assert scripted.engine.requests == []  # type: ignore[attr-defined]


def test_every_token_has_a_text_of_its_own(model: ServedModel) -> None:
    shown = [token_text(model, number) for number in range(model.vocabulary.size)]
    assert len(set(shown)) == len(shown)
    assert shown[0] == "<|end_of_text|>"


@given(texts.filter(bool))
@settings(max_examples=30)
def test_echoed_tokens_are_the_text(model: ServedModel, text: str) -> None:
    prompt = model.prompts.text(text, None, 8, "suffix_first", take_back=False)
    piece = echo_piece(model, text, prompt, 1, 2)
    assert (piece.choice, piece.text) == (1, text)
    for token in piece.tokens:
        assert token.text.startswith("bytes:") or text[token.offset : token.offset + len(token.text)] == token.text
        assert token.logprob is not None


def test_an_echo_of_a_cut_prompt_shows_what_was_read(model: ServedModel) -> None:
    text = "".join(f"value_{number} = {number}\n" for number in range(300))
    prompt = model.prompts.text(text, None, 8, "suffix_first", take_back=False)
    piece = echo_piece(model, text, prompt, 0, 0)
    assert piece.tokens[0].offset > 1000
    assert piece.tokens[0].logprob is None
    shown = "".join(token.text for token in piece.tokens)
    assert text.endswith(shown)
    assert text[piece.tokens[0].offset :] == shown


def test_an_echo_of_token_ids_shows_special_tokens(model: ServedModel) -> None:
    ids = (1, *model.vocabulary.encode("ab"), 2, *model.vocabulary.encode("c"), 3)
    piece = echo_piece(model, ids, model.prompts.ids(ids, 4), 0, 0)
    assert piece.text == "<|fim_prefix|>ab<|fim_suffix|>c<|fim_middle|>"
    for token in piece.tokens:
        assert piece.text[token.offset : token.offset + len(token.text)] == token.text
