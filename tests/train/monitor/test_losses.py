"""Sums by source and language against the slow, obvious way: token by token, document by document."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from ownlm.model.decoder import IGNORED, Decoder
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.loss import linear_cross_entropy, token_nats
from ownlm.train.monitor.losses import Groups, Sums, last_rows, measured
from ownlm.train.parallel.layout import Layout
from tests.train.inputs import small
from tests.train.monitor.mixed import make_mixed


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mixed(tmp_path_factory.mktemp("mixed"))


def test_every_token_counts_with_its_document(mixed: Path) -> None:
    vocabulary, reader = Vocabulary.load(mixed / "vocabulary"), ShardReader(mixed / "shards/train")
    batches = Batches(reader, ObjectivesConfig(), vocabulary, 32, 4, 0)
    batch, rows = batches.batch(5), range(1, 4)
    decoder = Decoder(small().model.architecture(vocabulary.size, 32))
    tokens_BL, labels_BL, segments_BL = (
        torch.from_numpy(array)[1:4] for array in (batch.tokens_BL, batch.labels_BL, batch.segments_BL)
    )
    with torch.no_grad():
        hidden_BLD = decoder.hidden(tokens_BL, segments_BL)
        with token_nats() as kept:
            linear_cross_entropy(hidden_BLD.flatten(0, 1), decoder.head_weight, labels_BL.flatten())
        logits_BLV = decoder(tokens_BL, segments_BL)
    slow_BL = F.cross_entropy(logits_BLV.flatten(0, 1), labels_BL.flatten(), ignore_index=IGNORED, reduction="none")
    nats: dict[str, float] = defaultdict(float)
    labels: dict[str, int] = defaultdict(int)
    size: dict[str, int] = defaultdict(int)
    for row, found in enumerate(batches.documents_of(5)[1:4]):
        for span, piece in found:
            for column in range(piece.start, piece.stop):
                label = int(labels_BL[row, column])
                for name in (f"source {span.source}", f"language {span.language}") if label != IGNORED else ():
                    nats[name] += float(slow_BL[row * 32 + column])
                    labels[name] += 1
                    size[name] += len(vocabulary.token_bytes[label])
    groups = Groups(reader)
    token_bytes = np.array([len(token) for token in vocabulary.token_bytes], dtype=np.int64)
    numbers = groups.of(batches.document_numbers(5, rows))
    sums = measured(Layout(), kept, numbers, labels_BL.numpy(), token_bytes, len(groups.names))
    names = [f"{kind} {name}" for kind, name in zip(groups.kinds, groups.names, strict=True)]
    assert {"source a", "source b", "language Python", "language C"} == set(names)
    for number, name in enumerate(names):
        assert sums.nats[number] == pytest.approx(nats[name], rel=1e-5, abs=1e-6)
        assert (sums.labels[number], sums.bytes[number]) == (labels[name], size[name])
    by_kind = [
        sum(n for n, kind in zip(sums.labels, groups.kinds, strict=True) if kind == k) for k in set(groups.kinds)
    ]
    assert set(by_kind) == {int((labels_BL != IGNORED).sum())}


def test_documents_by_number_are_those_of_the_samples(mixed: Path) -> None:
    vocabulary, reader = Vocabulary.load(mixed / "vocabulary"), ShardReader(mixed / "shards/train")
    for objectives in (
        ObjectivesConfig(),
        ObjectivesConfig.model_validate({"fill_in_the_middle": {"level": "document"}}),
    ):
        batches = Batches(reader, objectives, vocabulary, 32, 4, 0)
        for step in range(6):
            numbers_BL = batches.document_numbers(step, range(4))
            for row, found in enumerate(batches.documents_of(step)):
                for span, piece in found:
                    assert (numbers_BL[row, piece.start : piece.stop] == span.index).all()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 6))
def test_the_last_rows_are_those_asked_for(sizes: list[int], passes: int) -> None:
    kept = [torch.full((size,), float(number)) for number, size in enumerate(sizes)]
    last = kept[-passes:] if passes else []
    count = sum(map(len, last))
    if passes:
        found = last_rows(kept, count)
        assert found is not None
        assert found.tolist() == torch.cat(last).tolist()


def test_passes_that_end_elsewhere_are_an_error() -> None:
    with pytest.raises(ValueError, match="3 tokens were asked for"):
        last_rows([torch.zeros(2), torch.zeros(2)], 3)
    with pytest.raises(ValueError, match="the last passes have 4"):
        last_rows([torch.zeros(2), torch.zeros(2)], 9)
    assert last_rows([], 3) is None


def test_sums_survive_a_vector() -> None:
    sums = Sums(np.array([1.5, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0]))
    again = Sums.of_vector(sums.vector())
    assert (again.nats.tolist(), again.labels.tolist(), again.bytes.tolist()) == ([1.5, 2.0], [3.0, 4.0], [5.0, 6.0])
