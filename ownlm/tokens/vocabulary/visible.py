"""Tokens as a person can read them: every byte shown, nothing that acts on the page or looks like something else."""

from __future__ import annotations

import unicodedata

LONGEST = 64
"""Characters of a token that are shown; of a longer one the end is left out."""
_SIGNS = {" ": "·", "\t": "→", "\n": "⏎", "\r": "␍"}
_MEANS_ANOTHER = {*_SIGNS.values(), "⟨", "◌"}
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_RUN = 8


def visible(token: bytes, longest: int = LONGEST) -> str:
    """A token's bytes as text.

    White space has signs (· → ⏎ ␍); bytes that are no UTF-8 are ⟨E2⟩, characters that cannot be seen or that turn the
    direction of text ⟨U+200B⟩; a mark that would sit on what stands before it sits on ◌. Runs of one character are
    written once with their length: ·⟨×24⟩. Different tokens look different, but for the end that is left out.
    """
    text = token.decode("utf-8", errors="surrogateescape")
    shown = [_one(character) for character in text]
    if shown and unicodedata.category(text[0])[0] == "M":
        shown[0] = "◌" + shown[0]
    parts, at = [], 0
    while at < len(shown):
        length = 1
        while at + length < len(shown) and shown[at + length] == shown[at]:
            length += 1
        parts.append(shown[at] * length if length < _RUN else f"{shown[at]}⟨×{length}⟩")
        at += length
    whole = "".join(parts)
    return whole if len(whole) <= longest else whole[: longest - 1] + "…"


def _one(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return f"⟨{ord(character) - 0xDC00:02X}⟩"
    hidden = character in _MEANS_ANOTHER or unicodedata.category(character) in _HIDDEN
    return f"⟨U+{ord(character):04X}⟩" if hidden else character
