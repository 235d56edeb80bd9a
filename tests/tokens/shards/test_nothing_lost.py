"""Next-token batches pad and drop nothing: an epoch asks for every token between its first and last cut once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ownlm.tokens.objectives.asked import IGNORED
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from tests.tokens.corpora import small
from tests.tokens.shards.test_repositories import PROJECTS, pack

_, VOCABULARY, SHARDS = small()


@pytest.mark.parametrize("context", [37, 256])
@pytest.mark.parametrize("kind", ["documents", "repositories"])
def test_every_token_is_a_label_once_an_epoch(tmp_path: Path, kind: str, context: int) -> None:
    reader = ShardReader(SHARDS / "train") if kind == "documents" else pack(tmp_path, PROJECTS)
    assert reader.pack == kind
    stream = reader.tokens[:].astype(np.int64)
    made = Batches(reader, ObjectivesConfig(fill_in_the_middle=None), VOCABULARY, context, 1, seed=5)
    for epoch in range(3):
        rows = [made.sample(epoch * made.windows + number) for number in range(made.windows)]
        first = min(row.pieces[0].position for row in rows)
        asked = np.zeros(len(stream), dtype=np.int64)
        for row in rows:
            start = row.pieces[0].position
            assert row.labels_L.tolist() == stream[start + 1 : start + 1 + context].tolist()
            assert IGNORED not in row.labels_L
            assert VOCABULARY.special.fim_pad not in row.tokens_L
            assert all(piece.dropped == 0 for piece in row.pieces)
            asked[start + 1 : start + 1 + context] += 1
        stop = first + made.windows * context
        assert (asked[first + 1 : stop + 1] == 1).all(), "once, and without a gap"
        assert asked.sum() == made.windows * context
        assert first < context, "what is before the first cut is less than a context,"
        assert len(stream) - 1 - stop < 2 * context, "and so is what is behind the last one, with what did not fill one"
