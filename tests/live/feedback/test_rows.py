"""What a client sends becomes rows: bounded, storable, scrubbed as a whole."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.data.clean.config import PersonalDataConfig, SecretsConfig
from ownlm.data.clean.redact.rule import wanted_in
from ownlm.data.clean.redact.scan import redact, scanner
from ownlm.live.feedback.event import CompletionEvent
from ownlm.live.feedback.latency import NONE
from ownlm.live.feedback.rows import completion_row, event_row, storable, text_row, without_home
from ownlm.live.feedback.scrub import scrub_code
from tests.live.feedback.made import IDENTITY, event, row, served, told

KEY = "AKIA" + "QYLPMN5HFIQR7XYA"
PASSWORD = "hu9Kd2" + "mQx7Lw4Z"
MAIL = "ada.lovelace@" + "engine-works.co.uk"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/home/ada/work/loom.py", "work/loom.py"),
        ("C:\\Users\\ada\\work\\loom.py", "work/loom.py"),
        ("file:///Users/ada/loom.py", "loom.py"),
        ("/root/loom.py", "loom.py"),
        ("src/home/page.py", "src/home/page.py"),
        ("/home/ada", "home/ada"),
        ("", ""),
    ],
)
def test_paths_lose_the_home_folder(path: str, kept: str) -> None:
    assert without_home(path) == kept


def test_long_names_are_cut_and_views_refused() -> None:
    assert row(client="x" * 1000).origin[6] == "x" * 64
    assert told(view="v" * 200).view == "v" * 200


def test_numbers_of_clients_are_bounded() -> None:
    strange = event_row(event(elapsed_s=math.inf, accepted=1 << 90, retained=-3))
    assert (strange.elapsed_s, strange.accepted, strange.retained) == (None, 1 << 31, 0)
    assert told("a", "survival", after_s=1e9, retained=1).after_ms == 1 << 31
    assert told("a", "survival", after_s=-5.0, retained=1).after_ms == 0


def test_latencies_are_those_of_answers_that_somebody_waited_for() -> None:
    assert row(first_token_s=0.1, total_s=0.2).total_bucket > row(first_token_s=0.1, total_s=0.2).first_bucket > NONE
    assert row(total_s=0.2, outcome="cancelled").total_bucket == row(total_s=0.2, outcome="error").total_bucket == NONE


@given(st.text(alphabet=st.characters(codec=None), max_size=30))
def test_every_text_can_be_stored(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert "\0" not in kept
    assert storable(kept) == kept


@pytest.mark.parametrize(
    ("prefix", "text", "after", "gone"),
    [
        (f'key = "{KEY}"\n', "x", "", KEY),
        ("key = ", f'"{KEY}"', "\n", KEY),
        ("password = ", f'"{PASSWORD}"', "\n", PASSWORD),  # what stands before it shows what it is
        ("", "x", f"# ask {MAIL}\n", MAIL),
    ],
)
def test_secrets_go_wherever_they_are(prefix: str, text: str, after: str, gone: str) -> None:
    kept = text_row(served(texts=(text,), prefix=prefix, after=after, language="Python"), scrub_code, 1000)
    assert kept is not None
    assert gone not in kept.prefix + kept.texts[0] + kept.after
    assert "REDACTED_" in kept.prefix + kept.texts[0] + kept.after


def test_a_secret_across_the_cursor_is_not_kept_at_all() -> None:
    assert text_row(served(texts=(KEY[9:] + '"',), prefix=f'key = "{KEY[:9]}', after="\n"), scrub_code, 1000) is None
    one = completion_row(served(texts=("abc",)), IDENTITY, None)
    assert (one.text, one.lengths) == (None, (3,))


def test_what_one_choice_shows_of_the_others_context_is_scrubbed_for_all() -> None:
    choices = ("x", f'"{PASSWORD}"', "y")
    kept = text_row(served(texts=choices, prefix="token_password = ", after=f"  # {MAIL}\n"), scrub_code, 1000)
    assert kept is not None
    assert PASSWORD not in str(kept)
    assert MAIL not in str(kept)
    assert kept.texts[0] == "x"


def test_long_contexts_are_cut_after_scrubbing() -> None:
    """A cut through a key would leave half of it, which no rule knows."""
    prefix = f'key = "{KEY}"\nrest = 1\n'
    kept = text_row(served(prefix=prefix, after="a" * 50), scrub_code, 20)
    assert kept is not None
    assert (kept.prefix, kept.after) == ('D_API_KEY"\nrest = 1\n', "a" * 20)
    assert kept.skipped == len('key = "REDACTED_API_KEY"\nrest = 1\n') - 20
    assert json.loads(kept.texts_json) == ["x = 1"]


PIECES = st.lists(
    st.sampled_from(["key", " = ", '"', "'", KEY, PASSWORD, MAIL, "\n", "password", "token: ", "8.8.8.8", "ü", " "]),
    max_size=8,
).map("".join)  # fmt: skip


@given(st.lists(PIECES, min_size=1, max_size=4), st.sampled_from(["Python", "YAML", "Markdown", ""]))
def test_scrubbing_parts_is_the_rule_on_the_whole(parts: list[str], language: str) -> None:
    wanted = wanted_in(language, SecretsConfig(), PersonalDataConfig(names=True))
    whole, _ = redact("".join(parts).encode(), wanted)
    scrubbed = scrub_code(parts, language)
    if scrubbed is not None:
        assert "".join(scrubbed) == whole.decode()
        assert len(scrubbed) == len(parts)
        assert scrub_code(scrubbed, language) == scrubbed
    if len(parts) == 1:
        assert scrubbed is not None


@given(PIECES, st.lists(PIECES, min_size=1, max_size=3), PIECES)
def test_in_what_is_kept_the_rule_finds_nothing(prefix: str, texts: list[str], after: str) -> None:
    one = served(texts=tuple(texts), prefix=prefix, after=after, language="YAML")
    kept = text_row(one, scrub_code, 10_000)
    if kept is not None:
        scan = scanner(wanted_in("YAML", SecretsConfig(), PersonalDataConfig(names=True))).scan
        for text in kept.texts:
            assert scan((kept.prefix + text + kept.after).encode()) == []


def test_an_event_says_what_it_must() -> None:
    with pytest.raises(Exception, match="how long after"):
        event_row(CompletionEvent("a", "survival", 0, 0.0))
