"""Documents that two sets of shards both held out and neither trained on: what two versions of the data compare on.

A document's id is the sha256 of its content, so equal ids are equal bytes; the text that is read back is held against
it once more. The same document twice in a set counts once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ownlm.errors import CorpusError
from ownlm.evaluate.documents import texts_of
from ownlm.evaluate.hash_order import hash_order
from ownlm.tokens.shards.reader import DocumentSpan, ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary


@dataclass(frozen=True)
class Common:
    """What both held out.

    Attributes:
        documents: (place, text) of those that are asked about, in hash order; texts are cut to a number of bytes.
        counts: how many documents were held out by the one and by the other, by both, were trained on by either, were
            damaged on the way, and are asked about.
    """

    documents: tuple[tuple[DocumentSpan, str], ...]
    counts: Mapping[str, int]


def common_documents(
    own: Mapping[str, ShardReader],
    other: Mapping[str, ShardReader],
    vocabulary: Vocabulary,
    max_bytes: int,
    document_bytes: int,
    seed: int,
) -> Common:
    """Choose documents until `max_bytes` are there: the same ones, whichever of the two is `own`.

    Args:
        own: splits by name ("train", "heldout_repos", "heldout_files"); texts are read here.
        other: splits of the other version.
        vocabulary: of `own`.
        max_bytes: UTF-8 bytes in all; the document that reaches it is the last.
        document_bytes: bytes of one document at most: its first ones, whole characters.
        seed: another seed, another choice.

    Raises:
        CorpusError: there is none.
    """
    held, others = _held(own), _held(other)
    shared = sorted(held.keys() & others.keys(), key=lambda one: hash_order(seed, one))
    trained = {one for splits in (own, other) for one in splits["train"].ids()} if shared else set()
    clean = [one for one in shared if one not in trained]
    chosen: list[tuple[DocumentSpan, str]] = []
    size = damaged = 0
    for one in clean:
        split, index = held[one]
        ((span, text),) = texts_of(own[split], vocabulary, [own[split].document(index)])
        data = text.encode()
        if hashlib.sha256(data).hexdigest() != one:
            damaged += 1
            continue
        cut = data[:document_bytes].decode(errors="ignore")
        if cut:
            chosen.append((span, cut))
            size += len(cut.encode())
        if size >= max_bytes:
            break
    if not chosen:
        raise CorpusError(
            f"No document is held out by both versions ({len(held)} and {len(others)} are held out by one, "
            f"{len(shared)} by both, of which {len(shared) - len(clean)} are trained on).",
            advice="Let both recipes read the same sources and hold out alike: the same split, and rules that keep "
            "some of the same files.",
        )
    counts = {
        "held_out_by_own": len(held),
        "held_out_by_other": len(others),
        "held_out_by_both": len(shared),
        "trained_on": len(shared) - len(clean),
        "damaged": damaged,
        "documents": len(chosen),
        "bytes": size,
    }
    return Common(tuple(chosen), counts)


def _held(splits: Mapping[str, ShardReader]) -> dict[str, tuple[str, int]]:
    """Where each held-out document is: split and number."""
    found: dict[str, tuple[str, int]] = {}
    for name, reader in splits.items():
        if name != "train":
            for index, one in enumerate(reader.ids()):
                found.setdefault(one, (name, index))
    return found
