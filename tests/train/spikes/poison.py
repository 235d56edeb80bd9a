"""A corpus with poisoned files among real ones: what a spike comes from, and what blame must find."""

from __future__ import annotations

import base64
import hashlib
import random
from pathlib import Path

from ownlm.tokens.shards.writer import ShardWriter
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import TrainStage
from tests.train.inputs import document, make_split, make_vocabulary, small

CLEAN, EACH = 260, 2
KINDS = ("noise", "repeated", "shuffled")


def poisoned(kind: str, number: int, vocabulary: Vocabulary) -> list[int]:
    """The tokens of one poisoned file of about three windows."""
    draw = random.Random(f"{kind} {number}")
    if kind == "noise":  # random bytes, as in an embedded picture
        return vocabulary.encode(base64.b64encode(draw.randbytes(60)).decode())
    if kind == "repeated":  # one rare token and another, over and over
        return vocabulary.encode("\x07\x1b" * 40)
    ids = vocabulary.encode(document(5000 + number))[:80]  # real code, its tokens in another order
    draw.shuffle(ids)
    return ids


def make_poisoned(path: Path) -> Path:
    """`path/vocabulary` and `path/shards`; poisoned files have the repository "poison"."""
    vocabulary = make_vocabulary(path / "vocabulary")
    wrong = {(kind, number): poisoned(kind, number, vocabulary) for kind in KINDS for number in range(EACH)}
    places = random.Random(1).sample(range(CLEAN), len(wrong))
    at = dict(zip(places, wrong, strict=True))
    with ShardWriter(
        path / "shards" / "train", vocabulary_size=vocabulary.size, vocabulary=vocabulary.content, shard_bytes=10_000
    ) as writer:
        for number in range(CLEAN):
            _add(writer, vocabulary, f"file{number}.py", f"repo{number % 5}", vocabulary.encode(document(number)))
            if number in at:
                kind, which = at[number]
                _add(writer, vocabulary, f"{kind}{which}.py", "poison", wrong[at[number]])
    make_split(path / "shards" / "heldout_files", vocabulary, range(1000, 1010))
    return path


def _add(writer: ShardWriter, vocabulary: Vocabulary, path: str, repo: str, ids: list[int]) -> None:
    raw = vocabulary.decode_bytes(ids)
    row = {
        "id": hashlib.sha256(raw).hexdigest(),
        "source": "test",
        "repo": repo,
        "path": path,
        "language": "Python",
    }
    writer.add(row, [vocabulary.special.end_of_text, *ids], len(raw))


def watched(policy: str = "note", **train: object) -> TrainStage:
    """A run over the poisoned corpus that looks for spikes from its 40th step on."""
    spikes = {"policy": policy, "warmup_steps": 40, "window": 64, "apart": 1, "incidents": 100, "rewind_steps": 3}
    spikes |= train.pop("spikes", {})  # type: ignore[call-overload]
    return small(**{"steps": 150, "batch": 4, "checkpoint_every": 25, "spikes": spikes, "monitor": None, **train})
