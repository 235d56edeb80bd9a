"""Load a vocabulary: text to ids and back, byte for byte.

Needs only `tokenizers` and `fastokens` (no torch, no transformers), so that serving can use it. The same ids come from
`transformers.AutoTokenizer.from_pretrained(folder)`; one difference is intended: here the text of a special token
inside a document is ordinary text, always.

    vocabulary = Vocabulary.load(Path("vocabulary"))
    ids = vocabulary.encode("def f():\n")
    assert vocabulary.decode_bytes(ids) == b"def f():\n"
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from ownlm.errors import ArtifactError, InputError
from ownlm.tokens.vocabulary.encode import Encoder, byte_characters, fast_encoder
from ownlm.tokens.vocabulary.special import SpecialTokens

TOKENIZER_FILE = "tokenizer.json"
_REMAKE = "make the vocabulary again: delete this artifact and run the same command"


class Vocabulary:
    """A loaded vocabulary. Thread-safe; can be sent to other processes.

    Args:
        tokenizer: a byte-level BPE whose first ids are the special tokens.
        special: those special tokens.
        content: sha256 (hex) of tokenizer.json: what shards and models remember the vocabulary by.
    """

    def __init__(self, tokenizer: Tokenizer, special: SpecialTokens, content: str) -> None:
        tokenizer.encode_special_tokens = True  # special text in a document stays text; not stored in the file
        self._tokenizer = tokenizer
        self.special = special
        self.content = content
        self.size: int = tokenizer.get_vocab_size(with_added_tokens=True)

    def __reduce__(self) -> tuple[type[Vocabulary], tuple[Tokenizer, SpecialTokens, str]]:
        return Vocabulary, (self._tokenizer, self.special, self.content)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Load from a folder that holds `tokenizer.json`: a vocabulary artifact or an exported model.

        Raises:
            ArtifactError: when the file is missing, damaged, or has other special tokens.
        """
        file = path / TOKENIZER_FILE
        try:
            raw = file.read_bytes()
            added = json.loads(raw)["added_tokens"]
            names = tuple(token["content"] for token in sorted(added, key=lambda token: token["id"]))
            if [token["id"] for token in added] != list(range(len(added))):
                raise ValueError("the special tokens do not have the first ids")
            special = SpecialTokens.named(names)
            tokenizer = Tokenizer.from_str(raw.decode("utf-8"))
        except FileNotFoundError as error:
            raise ArtifactError("there is no vocabulary here", where=file, advice=_REMAKE) from error
        except Exception as error:  # tokenizers raises bare Exception for a damaged file
            raise ArtifactError(f"the vocabulary cannot be read: {error}", where=file, advice=_REMAKE) from error
        return cls(tokenizer, special, hashlib.sha256(raw).hexdigest())

    def encode(self, text: str) -> list[int]:
        """The ids of `text`; decoding them gives back its UTF-8 bytes. Special text never becomes a special token.

        Raises:
            InputError: when `text` holds a lone surrogate, which UTF-8 cannot express.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts, on one core: documents by the million are encoded by processes (shards/pack.py).

        Raises:
            InputError: when a text holds a lone surrogate, or is no text.
        """
        try:
            return list(map(self._encode, texts))
        except (UnicodeEncodeError, AttributeError, TypeError) as error:
            raise self._unencodable(texts) from error

    @cached_property
    def _encode(self) -> Encoder:
        return fast_encoder(self._tokenizer)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; special tokens appear as their own text, bytes that are not UTF-8 as U+FFFD.

        Raises:
            InputError: for an id outside the vocabulary.
        """
        return self._join(ids, self._rendered).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of `ids`.

        Raises:
            InputError: for a special token, which stands for no bytes, or an id outside the vocabulary.
        """
        ids = list(ids)
        found = min(ids, default=self.special.count)
        if 0 <= found < self.special.count:
            raise InputError(
                f"{self.special.names[found]} stands for no bytes", advice="use decode, or remove it first"
            )
        return self._join(ids, self.token_bytes)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes each id stands for; b"" for special tokens."""
        table = byte_characters()
        by_id = {number: text for text, number in self._tokenizer.get_vocab(with_added_tokens=True).items()}
        learned = (by_id[number] for number in range(self.special.count, self.size))
        return [b""] * self.special.count + [bytes(table[character] for character in text) for text in learned]

    @cached_property
    def _rendered(self) -> list[bytes]:
        names = [name.encode("ascii") for name in self.special.names]
        return names + self.token_bytes[len(names) :]

    def _join(self, ids: Iterable[int], table: list[bytes]) -> bytes:
        ids = list(ids)
        if ids and not (min(ids) >= 0 and max(ids) < self.size):
            raise InputError(
                f"ids {min(ids)}..{max(ids)} do not fit a vocabulary of {self.size}",
                advice="use the vocabulary the ids were made with",
            )
        return b"".join(map(table.__getitem__, ids))

    @staticmethod
    def _unencodable(texts: Sequence[str]) -> InputError:
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                return InputError(f"{type(text).__name__} instead of text", where=f"text {index} of {len(texts)}")
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                return InputError(
                    f"the text holds a lone surrogate (U+{ord(text[error.start]):04X}) at character {error.start}, "
                    "which UTF-8 cannot express",
                    where=f"text {index} of {len(texts)}",
                    advice="decode the source with errors='replace' before encoding it into tokens",
                )
        return InputError("the texts cannot be encoded", advice="pass a list of str")
