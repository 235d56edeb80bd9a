"""Text to ids with fastokens, and with the very ids of a Hugging Face tokenizer.

`tokenizers` defines the ids: words are cut by a pattern, and in each the listed pairs are merged in the order of the
list. fastokens reads the same tokenizer.json and is many times as fast (docs/vocabulary.md). Of it only what is tested
here is used: byte-level BPE, cut by one of two patterns, where two things hold:

1. the learned tokens are the results of the merges, one each, in the same order;
2. every token is what its own bytes become when they are merged.

Both are checked when a vocabulary is first used to encode, and so are fastokens' ids of a hard text; a vocabulary that
fails is encoded by `tokenizers`. The two
make merging a pure function of a word's bytes with no memory of how it came to them, which lets long words be merged
in blocks, in time linear in their length (`long_words.py`).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import fastokens
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from ownlm.tokens.vocabulary.long_words import BLOCK, LongWords, stretches

_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DIGITS = {"single": r"\p{N}", "triple": r"\p{N}{1,3}"}
PATTERNS = {name: _PATTERN.replace("DIGITS", digits) for name, digits in _DIGITS.items()}
"""How text is cut into words, as in tokenizer.json: by the value of `vocabulary.digits`."""
_ONE_WORD = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
Encoder = Callable[[str], list[int]]
_HARD = (
    "def f(x):\n\treturn  x[ 0 ]  # it's, WE'LL, I'M; don\u2019t\r\n\r\n   \n\n        if a!=b: pass\t\t \n"
    " 1 12 123 1234567 \u0663\u00b2\u2167 3.14e-10 0xFF a1b22c333 "
    "gro\u00dfe na\u00efve e\u0301\u0323 \u5909\u6570 \u0e01\u0e33 \u05d0\u05d1 \U0001f469\u200d\U0001f4bb \U0001d4d0 "
    "\x00\x1b\x7f\x85\u00a0\u2028\u3000\u200b\ufeff\ufffd <|end_of_text|><|fim_middle|> <| "
    + " " * 700
    + "\n"
    + "ab" * 500
    + "=" * 600
    + "\n" * 40
    + "\t" * 90
    + "9" * 50
    + "\u00e9" * 300
    + " '"
)
"""What encoders differ on: blanks, numbers, contractions, marks, controls, special text, and long runs of one kind."""
_OWN_TOKENS = 256


def byte_characters() -> dict[str, int]:
    """The GPT-2 table: the character that stands for each byte in a byte-level BPE -> the byte.

    Printable Latin-1 characters stand for themselves, the other 68 bytes take the code points from 256 on
    (Radford et al. 2019, `bytes_to_unicode`).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return table


def reference_encoder(tokenizer: Tokenizer) -> Encoder:
    """The definition of a text's ids: what `tokenizers` says, with special tokens' text as text.

    It raises UnicodeEncodeError for a lone surrogate.
    """

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    return encode


def fast_encoder(tokenizer: Tokenizer) -> Encoder:
    """An encoder with the same ids and errors as the reference; the reference itself where `obstacle` finds one.

    And, with a warning, where fastokens gives other ids to a text of everything that is hard: a later version may.
    """
    description, reference = json.loads(tokenizer.to_str()), reference_encoder(tokenizer)
    if obstacle(description) is not None:
        return reference
    core = fastokens.Tokenizer.from_json_str(json.dumps(description))
    hard = _HARD + _own_text(description)
    if core.encode_ordinary(hard).ids != reference_encoder(_forgetful(description))(hard):
        warnings.warn(
            "fastokens gives other ids than tokenizers, so text is encoded by tokenizers, many times as slowly; "
            "install the version that ownlm's constraints.txt names",
            RuntimeWarning,
            stacklevel=2,
        )
        return reference
    by_words = _by_words(description)

    def encode(text: str) -> list[int]:
        if len(text) < 2 * BLOCK:
            ids: list[int] = core.encode_ordinary(text).ids
            return ids
        found: list[int] = []
        for piece, long in stretches(text):
            found += by_words(piece) if long else core.encode_ordinary(piece).ids
        return found

    return encode


def _forgetful(description: dict[str, Any]) -> Tokenizer:
    """A tokenizer for one look: of the words it cuts it keeps none (see `_merging`)."""
    found = Tokenizer.from_str(json.dumps(description))
    found.encode_special_tokens = True
    found.model = _merging(description["model"], ignore_merges=description["model"].get("ignore_merges", False))
    return found


def _merging(model: dict[str, Any], *, ignore_merges: bool = False) -> models.BPE:
    """The pairs of a plain byte-level BPE, without a cache.

    `tokenizers` keeps the words that a model has met for as long as the thread lives, not the model: in a gateway that
    would be megabytes for every version it loads.
    """
    merges = [tuple(pair) for pair in model["merges"]]
    return models.BPE(vocab=model["vocab"], merges=merges, ignore_merges=ignore_merges, cache_capacity=0)


def _own_text(description: dict[str, Any]) -> str:
    """A text of a vocabulary's own tokens, the first and the last learned: of its merges, early and late ones meet."""
    table, merges = byte_characters(), description["model"]["merges"]
    pairs = [*merges[:_OWN_TOKENS], *merges[-_OWN_TOKENS:]]
    tokens = (bytes(table[character] for character in "".join(pair)) for pair in pairs)
    return b"".join(tokens).decode("utf-8", errors="ignore")


def _by_words(description: dict[str, Any]) -> Encoder:
    """An encoder that cuts a text into words first, as `tokenizers` does, and merges each for itself."""
    split = pre_tokenizers.Split(Regex(_cut_by(description)), behavior="isolated")
    whole = fastokens.Tokenizer.from_json_str(json.dumps({**description, "pre_tokenizer": _ONE_WORD}))
    lengths = {number: len(text) for text, number in description["model"]["vocab"].items()}  # a character is a byte
    words = LongWords(lambda word: whole.encode_ordinary(word).ids, lengths)

    def encode(text: str) -> list[int]:
        ids, known = list[int](), dict[str, list[int]]()
        for word, _ in split.pre_tokenize_str(text):
            if word not in known:
                known[word] = words.encode(word)
            ids += known[word]
        return ids

    return encode


def obstacle(description: dict[str, Any]) -> str | None:
    """Why this tokenizer.json is left to `tokenizers`; None when it need not be."""
    model = description["model"]
    shape = {"type": "BPE", "dropout": None, "unk_token": None, "byte_fallback": False}
    affixes = ("continuing_subword_prefix", "end_of_word_suffix")
    if any(model.get(key) != value for key, value in shape.items()) or any(model.get(key) for key in affixes):
        return "the model is no plain byte-level BPE"
    if description["normalizer"] is not None or _cut_by(description) not in PATTERNS.values():
        return "text is not cut into words in one of the two known ways"
    special = len(description["added_tokens"])
    by_id = sorted((number, text) for text, number in model["vocab"].items() if number >= special)
    merged = ["".join(pair) for pair in model["merges"]]
    if sorted(text for _, text in by_id[:256]) != sorted(byte_characters()):
        return "the ids after the special tokens are not the 256 bytes"
    if [text for _, text in by_id[256:]] != merged:
        return "the learned tokens are not the results of the merges in their order"
    alone = _merging(model)
    if any(len(alone.tokenize(text)) != 1 for text in merged):
        return "a token is not what its bytes become"
    return None


def _cut_by(description: dict[str, Any]) -> str:
    """The pattern words are cut by; "" where they are cut otherwise."""
    steps = (description["pre_tokenizer"] or {}).get("pretokenizers", [])
    if [step["type"] for step in steps] != ["Split", "ByteLevel"]:
        return ""
    split, characters = steps
    plain = (split["behavior"], split["invert"]) == ("Isolated", False)
    bare = not characters["add_prefix_space"] and not characters["use_regex"]
    return str(split["pattern"].get("Regex", "")) if plain and bare else ""
