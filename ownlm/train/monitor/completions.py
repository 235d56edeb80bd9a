"""A few held-out files, continued at every measurement: what the model writes as it learns.

The files and the places in them are chosen once, by hash; the likeliest token is taken every time. They are written to
`completions.jsonl` (`ownlm.train.monitor.written`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ownlm.model.decoder import Decoder
from ownlm.model.generate import greedy
from ownlm.model.load import put_weights
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.monitor.written import FILE, Completion, line_of, read_completions
from ownlm.train.observer import Parts
from ownlm.train.parallel.layout import MeshLayout
from ownlm.train.parallel.state import whole

_SHOWN_LINES, _SHOWN_CHARACTERS, _LOOKED_AT = 6, 400, 2000


@dataclass(frozen=True)
class Prompt:
    """A held-out file up to a line end near its middle."""

    span: DocumentSpan
    ids: list[int]
    before: str
    expected: str


def choose_prompts(
    reader: ShardReader, vocabulary: Vocabulary, count: int, new_tokens: int, context: int
) -> list[Prompt]:
    """The first files by hash that are long enough.

    Args:
        reader: the held-out files.
        vocabulary: of their tokens.
        count: how many files.
        new_tokens: length of the continuation.
        context: tokens the model was trained to see, the continuation included.
    """
    numbers = range(min(reader.documents, _LOOKED_AT))
    ordered = sorted(numbers, key=lambda number: hashlib.sha256(f"completion {number}".encode()).digest())
    prompts: list[Prompt] = []
    for number in ordered:
        if len(prompts) == count:
            break
        made = _prompt(reader, vocabulary, reader.document(number), new_tokens, context)
        prompts += [] if made is None else [made]
    return prompts


def _prompt(
    reader: ShardReader, vocabulary: Vocabulary, span: DocumentSpan, new_tokens: int, context: int
) -> Prompt | None:
    ids = reader.tokens[span.start : span.stop].tolist()
    room, first = context - new_tokens, span.header + 1
    ends = [
        place + 1
        for place in range(first, len(ids) - 1)
        if vocabulary.token_bytes[ids[place]].endswith(b"\n") and ids[place] >= vocabulary.special.count
    ]
    if room < 1 or not ends:
        return None
    cut = min(ends, key=lambda end: abs(end - len(ids) // 2))
    before = _text(vocabulary, ids[span.header : cut])
    shown = "\n".join(before.split("\n")[-_SHOWN_LINES - 1 :])[-_SHOWN_CHARACTERS:]
    return Prompt(span, ids[max(0, cut - room) : cut], shown, _text(vocabulary, ids[cut : cut + new_tokens]))


def _text(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    return vocabulary.decode_bytes(list(ids)).decode("utf-8", errors="replace")


class Completions:
    """Continues this run's prompts; the first process writes them down. Every process calls it alike.

    Args:
        parts: of the run.
        prompts: what to continue.
        new_tokens: tokens to add.
    """

    def __init__(self, parts: Parts, prompts: Sequence[Prompt], new_tokens: int) -> None:
        self._parts, self._prompts, self._new = parts, prompts, new_tokens
        self._path = parts.context.metrics.path.parent / FILE

    def rewind(self, step: int) -> None:
        """Drop what was written after a step."""
        if not self._parts.layout.is_first or not self._path.exists():
            return
        kept = [one for one in read_completions(self._path) if one.step <= step]
        temporary = self._path.with_name(f".{FILE}.new")
        with temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(line_of(one) for one in kept)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self._path)

    def write(self, step: int) -> None:
        """Continue every prompt with the weights as they are now."""
        if not self._prompts:
            return
        decoder = self._whole()
        if decoder is not None:
            special = range(self._parts.vocabulary.special.count)
            # Compiled for training's shapes: others would be compiled anew.
            with torch.compiler.set_stance("force_eager"):
                written = greedy(decoder, [prompt.ids for prompt in self._prompts], self._new, stop_ids=special)
            with self._path.open("a", encoding="utf-8", newline="\n") as stream:
                for prompt, ids in zip(self._prompts, written, strict=True):
                    text, span = _text(self._parts.vocabulary, ids), prompt.span
                    stream.write(line_of(Completion(step, span.repo, span.path, prompt.before, prompt.expected, text)))
        self._parts.layout.barrier()

    def _whole(self) -> Decoder | None:
        """The model on one device, on the first process; None on others."""
        parts = self._parts
        if not isinstance(parts.layout, MeshLayout):
            return parts.decoder
        weights = whole(parts.decoder, parts.decoder.state_dict(), parts.layout)
        if not parts.layout.is_first:
            return None
        with torch.device("meta"):
            decoder = Decoder(parts.decoder.architecture)
        decoder = decoder.to_empty(device="cpu")
        if decoder.architecture.tied:
            decoder.lm_head.weight = decoder.embed_tokens.weight
        put_weights(decoder, weights, self._path)
        return decoder.to(parts.execution.device)
