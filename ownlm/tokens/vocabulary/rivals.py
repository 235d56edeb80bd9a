"""Tokenizers side by side: this vocabulary, one of another size, and those of others, behind one small interface."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tiktoken
from tokenizers import Tokenizer

from ownlm.errors import InputError
from ownlm.tokens.vocabulary.compare import RivalConfig, file_of
from ownlm.tokens.vocabulary.encode import fast_encoder, obstacle
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens

Spans = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
PIECE = 100_000
"""Characters tiktoken is given at once: it gives up on a million white-space characters in a row."""


@dataclass(frozen=True)
class Coder:
    """A tokenizer that is measured.

    Attributes:
        name: what the report calls it.
        kind: "own", "own, another size", "huggingface" or "tiktoken".
        size: its tokens; special ones are counted, but where only ranks are known.
        encode: texts to ids, without special tokens; the text of a special token is text.
        decode: ids to text; what is no UTF-8 becomes U+FFFD.
        spans: of a text, where each of its tokens begins and ends, in UTF-8 bytes; both ascend.
        unknown: the id that stands for what it cannot express, if it has one.
    """

    name: str
    kind: str
    size: int
    encode: Callable[[Sequence[str]], list[list[int]]]
    decode: Callable[[list[int]], str]
    spans: Callable[[str], Spans]
    unknown: int | None = None


def own(vocabulary: Vocabulary, kind: str = "own") -> Coder:
    """The vocabulary itself, or one of another size."""
    lengths = np.array([len(data) for data in vocabulary.token_bytes], np.int64)

    def spans(text: str) -> Spans:
        return _joined(lengths[np.array(vocabulary.encode(text), np.int64)])

    name = f"ours, {vocabulary.size:,} tokens"
    return Coder(name, kind, vocabulary.size, vocabulary.encode_batch, vocabulary.decode, spans)


def of_another_size(tokenizer: Tokenizer, special: SpecialTokens) -> Coder:
    """A vocabulary trained on the same sample to another size."""
    return own(Vocabulary(tokenizer, special, ""), "own, another size")


def load_rival(config: RivalConfig) -> Coder:
    """Load a tokenizer of others.

    Raises:
        InputError: its file is missing or damaged.
    """
    file = file_of(config)
    return _ranks(config, file) if config.kind == "tiktoken" else _huggingface(config.label, file)


def _huggingface(name: str, file: Path) -> Coder:
    try:
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
        description = json.loads(tokenizer.to_str())
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(
            f"A tokenizer to compare with cannot be read: {error}.",
            where=file,
            advice="vocabulary.compare reads tokenizer.json as Hugging Face's tokenizers write it; get the file again.",
        ) from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    fast = fast_encoder(tokenizer) if description["model"]["type"] == "BPE" and obstacle(description) is None else None

    def encode(texts: Sequence[str]) -> list[list[int]]:
        if fast is not None:
            return list(map(fast, texts))
        return [one.ids for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=False))

    def spans(text: str) -> Spans:
        offsets = np.array(tokenizer.encode(text, add_special_tokens=False).offsets, np.int64).reshape(-1, 2)
        places = np.cumsum([0, *(len(character.encode()) for character in text)])
        return places[offsets[:, 0]], places[offsets[:, 1]]

    unknown = description["model"].get("unk_token")
    unknown_id = tokenizer.token_to_id(unknown) if isinstance(unknown, str) else description["model"].get("unk_id")
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    return Coder(name, "huggingface", size, encode, decode, spans, unknown_id)


def _ranks(config: RivalConfig, file: Path) -> Coder:
    ranks = read_ranks(file)
    try:
        encoding = tiktoken.Encoding(config.label, pat_str=config.words, mergeable_ranks=ranks, special_tokens={})
    except ValueError as error:
        raise InputError(
            f"Words cannot be cut by this pattern: {error}", where=f"vocabulary.compare, {config.label}"
        ) from error

    def encode(texts: Sequence[str]) -> list[list[int]]:
        return [
            [token for at in range(0, len(text), PIECE) for token in encoding.encode_ordinary(text[at : at + PIECE])]
            for text in texts
        ]

    def spans(text: str) -> Spans:
        return _joined(np.array([len(data) for data in encoding.decode_tokens_bytes(encode([text])[0])], np.int64))

    return Coder(config.label, "tiktoken", len(ranks), encode, encoding.decode, spans)


def read_ranks(file: Path) -> dict[bytes, int]:
    """A file of tiktoken's ranks: a line for each token, its bytes in base64 and its rank.

    `tiktoken.load` would keep a copy of the file by its name and go on to read that when the file has changed.

    Raises:
        InputError: it is damaged.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line:
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise _damaged(file, f"line {number} is not a token in base64 and its rank") from error
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise _damaged(file, f"it has no token for byte {missing[0]:#04x}")
    if len(set(ranks.values())) < len(ranks):
        raise _damaged(file, "two of its tokens have the same rank")
    return ranks


def _damaged(file: Path, detail: str) -> InputError:
    return InputError(f"This is no file of tiktoken's ranks: {detail}.", where=file, advice="Get the file again.")


def _joined(lengths: npt.NDArray[np.int64]) -> Spans:
    """Begins and ends of tokens that follow each other without a gap."""
    ends = np.cumsum(lengths)
    return ends - lengths, ends
