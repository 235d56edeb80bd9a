"""What a vocabulary is compared with: the settings, the files they mean, and the hash of what is in these.

Nothing is downloaded. An encoding of tiktoken's own is read from a file that is named, or from the folder tiktoken
keeps its downloads in (`TIKTOKEN_CACHE_DIR`, each under the sha1 of its address), and has to be what tiktoken takes for
it: its sha256 is known.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ownlm.errors import InputError
from ownlm.pipeline.artifact import sha256_file
from ownlm.recipe.base import Config, canonical_json, local_path

_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s"
)
_UPPER, _LOWER, _SHORT = (
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
)
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class NamedEncoding:
    """An encoding of tiktoken's own: how it cuts text into words, and the sha256 of its file of ranks."""

    pattern: str
    sha256: str


ENCODINGS = {
    "r50k_base": NamedEncoding(_GPT2, "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"),
    "p50k_base": NamedEncoding(_GPT2, "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"),
    "cl100k_base": NamedEncoding(_CL100K, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    "o200k_base": NamedEncoding(_O200K, "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
}
"""As in `tiktoken_ext.openai_public` (a test compares them)."""
EncodingName = Literal["r50k_base", "p50k_base", "cl100k_base", "o200k_base"]


class RivalConfig(Config):
    """A tokenizer to compare with. Alone, a path: `- models/qwen` is `- {path: models/qwen}`."""

    path: str | None = Field(None, description="a Hugging Face folder, a tokenizer.json, or a file of tiktoken's ranks")
    tiktoken: EncodingName | None = Field(
        None, description="which of tiktoken's encodings it is; without a path it is read from TIKTOKEN_CACHE_DIR"
    )
    pattern: str | None = Field(
        None, description="how ranks of your own cut words: a regular expression, or the name of a tiktoken encoding"
    )
    name: str | None = Field(None, description="what the report calls it; by default as its folder or file is called")

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if self.path is None and self.tiktoken is None:
            raise ValueError("name a tokenizer by its `path`, or one of tiktoken's encodings by `tiktoken`")
        if self.pattern is not None and (self.path is None or self.tiktoken is not None):
            raise ValueError("`pattern` goes with the `path` of a file of ranks, and not with `tiktoken`")
        if self.kind == "tiktoken" and self.pattern is None and self.encoding is None:
            raise ValueError(
                "a file of tiktoken's ranks does not say how words are cut: add `pattern`, a regular expression or one "
                f"of {', '.join(ENCODINGS)}; or say by `tiktoken` which of these it is"
            )
        return self

    @property
    def kind(self) -> Literal["tiktoken", "huggingface"]:
        """Whose format its file has."""
        ranks = self.path is None or self.path.endswith(".tiktoken")
        return "tiktoken" if ranks or self.tiktoken is not None or self.pattern is not None else "huggingface"

    @property
    def encoding(self) -> str | None:
        """Which of tiktoken's own encodings it claims to be: by `tiktoken`, or by the name of its file."""
        if self.pattern is not None:
            return None
        stem = Path(self.path or "").name.removesuffix(".tiktoken")
        return self.tiktoken or (stem if stem in ENCODINGS and str(self.path).endswith(".tiktoken") else None)

    @property
    def words(self) -> str:
        """The pattern words are cut by; "" where tokenizer.json says it."""
        known = ENCODINGS.get(self.encoding or self.pattern or "")
        return known.pattern if known else self.pattern or ""

    @property
    def label(self) -> str:
        """What the report calls it."""
        if self.name is not None or self.tiktoken is not None or self.path is None:
            return self.name or str(self.tiktoken)
        path = Path.cwd() / local_path(self.path)
        return path.parent.name if path.name == "tokenizer.json" else path.name.removesuffix(".tiktoken")


def _different(rivals: list[RivalConfig]) -> list[RivalConfig]:
    labels = [rival.label for rival in rivals]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two tokenizers would be called {label!r}: give them a `name`")
    return rivals


Rivals = Annotated[list[RivalConfig], AfterValidator(_different)]
"""Tokenizers to compare with; no two have the same label."""


def file_of(rival: RivalConfig) -> Path:
    """The one file a tokenizer is read from.

    Raises:
        InputError: it is not there.
    """
    if rival.path is None:
        return _downloaded(str(rival.tiktoken))
    path = local_path(rival.path)
    if rival.kind == "huggingface" and path.is_dir():
        if not (path / "tokenizer.json").is_file():
            raise InputError(
                "A tokenizer to compare with has no tokenizer.json.",
                where=path,
                advice="Write one: AutoTokenizer.from_pretrained(folder).save_pretrained(folder), with transformers.",
            )
        return path / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            "A tokenizer that `vocabulary.compare` names is not there.",
            where=path,
            advice="Correct the path (one that is not absolute starts at the folder ownlm is run in), or take it out.",
        )
    return path


def compared_fingerprint(rivals: Sequence[RivalConfig], cache: Path | None = None) -> str:
    """A hash of what is in the files of all tokenizers to compare with, in their order.

    Raises:
        InputError: one is missing or cannot be read, or is not the encoding of tiktoken it is called.
    """
    contents = []
    for rival in rivals:
        file = file_of(rival)
        try:
            contents.append(sha256_file(file))
        except OSError as error:
            raise InputError(f"A tokenizer to compare with cannot be read ({error.strerror}).", where=file) from error
        if rival.encoding is not None and contents[-1] != ENCODINGS[rival.encoding].sha256:
            raise InputError(
                f"This is not tiktoken's {rival.encoding}: its sha256 is {contents[-1]}.",
                where=file,
                advice="Get the file again; or, if it has ranks of your own, say by `pattern` how it cuts words.",
            )
    return hashlib.sha256(canonical_json(contents).encode()).hexdigest()


def _downloaded(name: str) -> Path:
    """Where tiktoken keeps what it downloaded (`tiktoken.load.read_file_cached`)."""
    asked = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    folder = Path(tempfile.gettempdir()) / "data-gym-cache" if asked is None else Path(asked)
    address = _ADDRESS.format(name)
    file = folder / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    if not file.is_file():
        raise InputError(
            f"tiktoken's encoding {name} is not on this machine, and ownlm does not download it.",
            where=file,
            advice=f"Fetch {address} where there is a network, and say where it lies: "
            f"{{tiktoken: {name}, path: ...}}; or set TIKTOKEN_CACHE_DIR to a folder where tiktoken has used it.",
        )
    return file
