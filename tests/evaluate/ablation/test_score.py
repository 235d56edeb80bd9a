from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ownlm.evaluate.ablation.config import ScoreStage
from ownlm.evaluate.ablation.score import score
from ownlm.evaluate.company.config import HiddenLines
from ownlm.model.load import load_model
from tests.context import make_context
from tests.evaluate.models import trained

SETTINGS = ScoreStage(max_bytes=4000, document_bytes=600, hidden_lines=HiddenLines(lines=8, max_tokens=8))


def _scored(tmp_path: Path, settings: ScoreStage = SETTINGS) -> dict[str, Any]:
    train, vocabulary, shards = trained()
    inputs = {"train": train, "vocabulary": vocabulary, "shards": shards, "other": shards}
    context = make_context(tmp_path, settings, inputs)
    headline = score(context)
    found: dict[str, Any] = json.loads((context.out / "scores.json").read_text())
    total = sum(one["bits"] for one in found["documents"])
    assert headline["bits_per_byte"] == pytest.approx(total / found["counts"]["bytes"], abs=1e-5)
    return found


def test_bits_are_those_of_the_model_document_by_document(tmp_path: Path) -> None:
    import torch

    from ownlm.evaluate.documents import texts_of
    from ownlm.tokens.shards.reader import ShardReader
    from ownlm.tokens.vocabulary.load import Vocabulary

    found = _scored(tmp_path)
    train, folder, shards = trained()
    vocabulary, decoder = Vocabulary.load(folder), load_model(train).eval()
    texts = {
        span.id: text
        for split in ("heldout_repos", "heldout_files")
        for span, text in texts_of(ShardReader(shards / split), vocabulary)
    }
    assert len(found["documents"]) == 7
    for one in found["documents"]:
        text = texts[one["id"]].encode()[:600].decode(errors="ignore")
        assert one["bytes"] == len(text.encode())
    # A short one by hand: one window, log-softmax, no batch.
    short = _scored(tmp_path / "short", SETTINGS.model_copy(update={"document_bytes": 64}))["documents"][0]
    ids = [0, *vocabulary.encode(texts[short["id"]].encode()[:64].decode(errors="ignore"))]
    with torch.no_grad():
        logits = decoder(torch.tensor([ids[:-1]])).float().log_softmax(-1)[0]
    nats = sum(float(row[token]) for row, token in zip(logits, ids[1:], strict=True))
    assert short["bits"] == pytest.approx(-nats / 0.6931471805599453, rel=1e-4)


def test_lines_are_hidden_in_the_same_documents_or_not_at_all(tmp_path: Path) -> None:
    found = _scored(tmp_path)
    assert len(found["lines"]) == 8
    assert {one["id"] for one in found["lines"]} <= {one["id"] for one in found["documents"]}
    assert _scored(tmp_path / "none", SETTINGS.model_copy(update={"hidden_lines": None}))["lines"] == []
