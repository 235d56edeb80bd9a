"""Losses and gradients of single documents: against plain autograd, and the same in every layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ownlm.model.decoder import IGNORED
from ownlm.train.parallel.layout import Layout
from ownlm.train.spikes import measure
from ownlm.train.spikes.documents import documents_in, mask_of
from tests.train.parallel.places import together
from tests.train.spikes.parts import STEP, look, make_run, write_looks
from tests.train.spikes.poison import watched

MESHES: list[dict[str, Any]] = [{"shard": 2}, {"tensor": 2, "sequence": True}, {"pipeline": 2}]
MORE: list[dict[str, Any]] = [{"data": 2}, {"context": 2}, {"pipeline": 2, "schedule": "interleaved"}]
SMALL = watched(accumulate=2, optimizer={"adamw": {"lr": 3e-3}})
CONFIG = SMALL.model_copy(update={"model": SMALL.model.model_copy(update={"kv_heads": 2})})


@pytest.fixture(scope="module")
def alone(poisoned_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return look(make_run(poisoned_inputs, tmp_path_factory.mktemp("alone"), CONFIG, Layout()))


def test_documents_add_up_to_the_step(alone: dict[str, Any]) -> None:
    assert np.sum(alone["tokens"]) == pytest.approx(alone["nats"], rel=1e-5)
    assert sum(nats for _, _, nats in alone["documents"]) == pytest.approx(alone["nats"], rel=1e-5)
    assert sum(labels for _, labels, _ in alone["documents"]) == alone["labels"]
    assert sum(share for _, share in alone["pulls"]) == pytest.approx(1.0, rel=1e-4)
    assert alone["length"] == pytest.approx(alone["norm"], rel=1e-5)


def test_against_plain_autograd(poisoned_inputs: Path, tmp_path: Path) -> None:
    """One document's gradient by the definition: all logits at once, one pass over all rows."""
    run = make_run(poisoned_inputs, tmp_path, CONFIG, Layout())
    parts, batch = run.parts, run.parts.batches.batch(STEP)
    tokens_RL, labels_RL, segments_RL = map(
        torch.from_numpy, (batch.tokens_BL, batch.labels_BL, batch.segments_BL)
    )  # fmt: skip
    logits_RLV = parts.decoder(tokens_RL, segments_RL)
    nats_RL = F.cross_entropy(logits_RLV.flatten(0, 1), labels_RL.flatten(), ignore_index=IGNORED, reduction="none")
    nats_RL = nats_RL.view_as(labels_RL)
    found_RL = measure.token_losses(parts, STEP)
    assert np.allclose(found_RL, nats_RL.detach().numpy(), atol=1e-5)
    assert all(weight.grad is None for weight in parts.decoder.parameters())
    weights = list(parts.decoder.parameters())
    seen = run.gradient(STEP)
    whole = torch.cat([g.flatten() for g in torch.autograd.grad(nats_RL.sum(), weights, retain_graph=True)])
    scale = min(1.0, parts.settings.clip / (seen.grad_norm + 1e-6))
    documents = documents_in(parts, STEP, found_RL)[:3]
    masks = [mask_of(one, batch.labels_BL) for one in documents]
    pulls = measure.pulls(parts, STEP, masks, seen.labels, measure.current(parts), scale)
    for document, mask_RL, pull in zip(documents, masks, pulls, strict=True):
        mine_RL = nats_RL * torch.from_numpy(mask_RL)
        assert document.nats == pytest.approx(mine_RL.sum().item(), rel=1e-5)
        flat = torch.cat([g.flatten() for g in torch.autograd.grad(mine_RL.sum(), weights, retain_graph=True)])
        assert pull.norm == pytest.approx((flat.norm() / seen.labels).item(), rel=1e-4)
        assert pull.share == pytest.approx((flat @ whole / (whole @ whole)).item(), rel=1e-3, abs=1e-5)


def assert_equal(found: dict[str, Any], alone: dict[str, Any]) -> None:
    assert found["labels"] == alone["labels"]
    assert found["nats"] == pytest.approx(alone["nats"], rel=1e-5)
    assert np.allclose(found["tokens"], alone["tokens"], atol=2e-4)
    assert [one[:2] for one in found["documents"]] == [one[:2] for one in alone["documents"]]
    assert np.allclose(found["pulls"], alone["pulls"], rtol=1e-3, atol=1e-4)
    assert list(found["layers"]) == list(alone["layers"])
    assert found["layers"] == pytest.approx(alone["layers"], rel=1e-4)


def test_every_layout_says_the_same(alone: dict[str, Any], poisoned_inputs: Path, tmp_path: Path) -> None:
    together(2, tmp_path, write_looks, poisoned_inputs, CONFIG, MESHES)
    for number, _ in enumerate(MESHES):
        assert_equal(json.loads((tmp_path / f"{number}.json").read_text()), alone)


@pytest.mark.slow
def test_more_layouts(poisoned_inputs: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"layers": 4})})
    four_layers = look(make_run(poisoned_inputs, tmp_path / "alone", config, Layout()))
    together(2, tmp_path, write_looks, poisoned_inputs, config, MORE)
    for number, _ in enumerate(MORE):
        assert_equal(json.loads((tmp_path / f"{number}.json").read_text()), four_layers)


@pytest.mark.slow
def test_four_places(alone: dict[str, Any], poisoned_inputs: Path, tmp_path: Path) -> None:
    meshes: list[dict[str, Any]] = [
        {"pipeline": 2, "shard": 2},
        {"data": 2, "tensor": 2},
        {"context": 2, "shard": 2},
        {"pipeline": 2, "tensor": 2, "sequence": True},
    ]
    together(4, tmp_path, write_looks, poisoned_inputs, CONFIG, meshes)
    for number, _ in enumerate(meshes):
        assert_equal(json.loads((tmp_path / f"{number}.json").read_text()), alone)
