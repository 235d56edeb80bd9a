from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ownlm.tokens.vocabulary.visible import LONGEST, visible

SIGNS = {"·": " ", "→": "\t", "⏎": "\n", "␍": "\r"}
PIECE = re.compile(r"(⟨U\+(?P<code>[0-9A-F]+)⟩|⟨(?P<byte>[0-9A-F]{2})⟩|(?P<plain>.))(⟨×(?P<run>\d+)⟩)?", re.DOTALL)
TOKEN = st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode())


def read(shown: str) -> bytes:
    """The token that is shown so: the inverse."""
    found = b""
    for piece in PIECE.finditer(shown.removeprefix("◌")):
        if piece["byte"]:
            one = bytes.fromhex(piece["byte"])
        else:
            character = chr(int(piece["code"], 16)) if piece["code"] else piece["plain"]
            one = (character if piece["code"] else SIGNS.get(character, character)).encode()
        found += one * int(piece["run"] or 1)
    return found


@given(TOKEN)
@example(b"a" * 8 + b"9")
@example("a⟨×8⟩".encode())
@example("·→⏎␍⟨E2⟩◌".encode())
@example("\u0301\u0301".encode())
def test_nothing_of_a_token_is_lost(token: bytes) -> None:
    assert read(visible(token, 10**6)) == token


@given(TOKEN)
def test_what_is_shown_can_be_seen_and_acts_on_nothing(token: bytes) -> None:
    shown = visible(token)
    assert len(shown) <= LONGEST
    assert not any(unicodedata.category(character)[0] in "CZ" for character in shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (b" return", "·return"),
        (b"\r\n\t\tx", "␍⏎→→x"),
        (b" " * 24, "·⟨×24⟩"),
        (b" " * 7, "·······"),
        (b"\xe2\x80", "⟨E2⟩⟨80⟩"),
        ("\u200b\u202e\ufeffa\x00\x1b".encode(), "⟨U+200B⟩⟨U+202E⟩⟨U+FEFF⟩a⟨U+0000⟩⟨U+001B⟩"),
        ("\u0301e".encode(), "◌\u0301e"),
        ("größe🙂".encode(), "größe🙂"),
        (b"<script>", "<script>"),
        (b"ab" * 50, ("ab" * 50)[:63] + "…"),
    ],
)
def test_signs(token: bytes, shown: str) -> None:
    assert visible(token) == shown
