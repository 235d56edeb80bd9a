"""Estimated memory beside the allocator's own count, and the names and shapes it is made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ownlm.model.decoder import Decoder
from ownlm.train import loss
from ownlm.train.config import TrainConfig
from ownlm.train.optimizers import for_muon
from ownlm.train.planning import memory
from ownlm.train.planning.matrices import matrices
from ownlm.train.planning.memory import Memory, training_memory
from ownlm.train.planning.share import Share
from tests.train.planning.cases import CASES, Settings, architecture
from tests.train.planning.measure import measured

FAST = [0, 2, 3, 4, 12]
WITHIN = 0.1


def estimated(model: Settings, train: Settings, *, bf16: bool = False, stage: int = 0) -> Memory:
    settings = TrainConfig.model_validate({"optimizer": "adamw"} | train)
    return training_memory(architecture(model), settings, bf16=bf16, stage=stage)


def check(model: Settings, train: Settings, *, bf16: bool) -> None:
    settings = TrainConfig.model_validate({"optimizer": "adamw"} | train)
    real = measured(architecture(model), settings, bf16=bf16)
    assert estimated(model, train, bf16=bf16).peak == pytest.approx(real, rel=WITHIN)


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("case", FAST)
def test_the_estimate_is_what_a_step_needs(case: int, bf16: bool) -> None:
    model, train = CASES[case]
    check(model | {"layers": 2, "d_model": 128, "d_ff": 344}, train, bf16=bf16)


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize(("model", "train"), CASES, ids=str)
def test_the_table(model: Settings, train: Settings, bf16: bool) -> None:
    check(model, train, bf16=bf16)


@pytest.mark.parametrize("family", ["llama", "qwen3", "qwen3_moe", "dots1", "bamba"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_weights_are_the_decoders(family: str, tied: bool) -> None:
    model = architecture({"family": family, "tied": tied})
    with torch.device("meta"):
        weights = dict(Decoder(model).named_parameters())
    found = {one.name: one for one in matrices(model, range(model.layers))}
    assert {name: one.shape for name, one in found.items()} == {n: tuple(w.shape) for n, w in weights.items()}
    assert all(found[name].for_muon == for_muon(name, weight) for name, weight in weights.items())


def test_chunks_of_logits_are_the_losss() -> None:
    assert memory.CHUNK_LOGITS == loss.CHUNK_LOGITS
    assert memory.LEAST_ROWS == loss.LEAST_ROWS


MESHES = [
    {"shard": 4},
    {"data": 2, "shard": 2},
    {"tensor": 2},
    {"tensor": 2, "sequence": True},
    {"pipeline": 2},
    {"context": 2, "shard": 2},
]


@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_a_place_of_several_needs_less_than_a_single_one(mesh: dict[str, Any]) -> None:
    train = {"batch": 16}
    alone = estimated({"layers": 8}, train)
    stages = range(mesh.get("pipeline", 1))
    parts = [estimated({"layers": 8}, train | {"mesh": mesh}, stage=stage) for stage in stages]
    assert all(part.peak < alone.peak for part in parts)


@pytest.mark.parametrize("mesh", [{"pipeline": 2}, {"pipeline": 4, "schedule": "interleaved"}, {"tensor": 2}])
@pytest.mark.parametrize("tied", [True, False])
def test_all_places_together_have_all_weights(mesh: dict[str, Any], tied: bool) -> None:
    model = architecture({"layers": 8, "tied": tied})
    train = TrainConfig.model_validate({"batch": 32, "mesh": mesh})
    held = 0.0
    for stage in range(mesh.get("pipeline", 1)):
        share = Share(model, train, stage)
        found = matrices(model, share.layers, first=share.is_first, last=share.is_last)
        held += mesh.get("tensor", 1) * sum(share.held(one) for one in found if one.divisible)
    twice = model.vocab_size * model.d_model if tied and "pipeline" in mesh else 0
    whole = sum(w[0] * w[1] for one in matrices(model, range(8)) if len(w := one.shape) == 2)
    assert held == whole + twice


@given(
    batch=st.sampled_from([1, 2, 4, 8, 16]),
    checkpointing=st.sampled_from(["none", "selective", "full"]),
    family=st.sampled_from(["llama", "qwen3", "qwen3_moe", "dots1", "bamba"]),
    bf16=st.booleans(),
)
def test_more_rows_never_need_less_and_checkpointing_never_more(
    batch: int, checkpointing: str, family: str, bf16: bool
) -> None:
    def peak(rows: int, how: str) -> int:
        return estimated({"family": family}, {"batch": rows, "activation_checkpointing": how}, bf16=bf16).peak

    assert peak(2 * batch, checkpointing) > peak(batch, checkpointing)
    assert peak(batch, "full") <= peak(batch, "selective") <= peak(batch, "none") * 1.02
