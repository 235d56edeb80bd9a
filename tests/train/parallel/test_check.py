from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.errors import RecipeError
from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.parallel.check import PROCESSES_A_CORE, check_machine, check_mesh
from ownlm.train.parallel.config import MeshConfig
from tests.train.parallel.curves import architecture
from tests.train.parallel.layouts import BALANCED, EXPERTS, FOUR, STATE_SPACE, TWO, Case


def _narrow(model: dict[str, Any]) -> dict[str, Any]:
    return model | {"kv_heads": 4, "experts": model["experts"] | {"d_ff": 22}}


def train(batch: int = 8, warmup: list[list[int]] | None = None, compile: Any = "auto", **mesh: Any) -> TrainConfig:
    return TrainConfig(batch=batch, batch_warmup=warmup or [], compile=compile, mesh=MeshConfig(**mesh))


@pytest.mark.parametrize(
    ("config", "model", "what", "advice"),
    [
        (train(6, data=2, shard=2), {}, "train.batch has 6 windows.* 4 places", "4 or 8, or data x shard to 3 or 6"),
        (train(8, [[2, 2]], data=4), {}, "train.batch_warmup has 2 windows", "set train.batch_warmup to 4"),
        (train(8, [[2, 4]], pipeline=2), {}, "the warm-up has 4 windows", "multiples of train.batch (8)"),
        (train(tensor=3), {}, "4 heads cannot be divided among tensor = 3", "set tensor to 2 or 4, or model.heads"),
        (train(tensor=4), {}, "2 kv_heads cannot", "set tensor to 2"),
        (train(tensor=2), {"d_ff": 49}, "49 d_ff cannot", "set tensor to 1 or 7"),
        (train(tensor=2, context=16, sequence=True), {"kv_heads": 4}, None, None),
        (train(tensor=4, context=16, sequence=True), {"kv_heads": 4}, "2 positions cannot be", "sequence to false"),
        (train(compile="on", tensor=2), {}, "cannot compile blocks", "train.compile to auto"),
        (train(sequence=True), {}, "sequence parallel needs tensor", "set tensor"),
        (train(tensor=4), EXPERTS | {"kv_heads": 4, "d_ff": 49}, None, None),
        (train(tensor=4), BALANCED | {"kv_heads": 4, "d_ff": 50}, "50 d_ff cannot", "set tensor to 2 or 5"),
        (train(tensor=4), _narrow(EXPERTS), "22 experts.d_ff cannot", "model.experts.d_ff to a multiple of 4"),
        (train(context=8), STATE_SPACE, "stretches of 2 positions are fewer than the 3", "lower context"),
        (train(pipeline=8), {}, "4 layers are too few for 8 stages", "model.layers to at least 8"),
        (train(pipeline=4, schedule="interleaved"), {}, "4 layers are too few for 8 stages", "lower pipeline"),
        (train(pipeline=2, microbatches=3), {}, "8 windows a place cannot be divided into 3", "set microbatches to 2"),
        (train(1, pipeline=2), {}, "at least 2 microbatches; 1 windows a place make 1", "set train.batch to 2"),
        (train(8, [[2, 4]], pipeline=2), {}, "warm-up has 4 windows", "multiples of train.batch"),
        (train(context=3), {}, "32 positions cannot be divided into 2 x context = 6", "shards.context to 30"),
        (train(expert=2, data=2), {}, "the family llama has no experts", "set expert to 1"),
        (train(9, expert=3, data=3), EXPERTS, "4 experts cannot be divided among expert = 3", "set expert to 2 or 4"),
        (train(expert=4, data=2), EXPERTS, "expert = 4 must divide data x shard x context = 2", "set expert to 2"),
        (train(data=4, nodes=3), {}, "4 places cannot be divided among 3 machines", "set nodes to 2 or 4"),
        (train(data=4, nodes=2), {}, "need an address to meet", "HOST:PORT"),
    ],
)
def test_what_does_not_fit_is_said(config: TrainConfig, model: dict[str, Any], what: str, advice: str) -> None:
    if what is None:
        check_mesh(config, architecture(**model))
        return
    with pytest.raises(RecipeError, match=what) as caught:
        check_mesh(config, architecture(**model))
    assert advice in str(caught.value.advice)
    assert caught.value.where == "train.mesh"


@pytest.mark.parametrize("case", [*TWO, *FOUR], ids=lambda case: case.name)
def test_layouts_that_are_tested_are_allowed(case: Case) -> None:
    check_mesh(train(**case.mesh), architecture(**case.model))


@given(st.integers(1, 12), st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_machines_have_room_for_what_is_allowed(places: int, cores: int, gpus: int, has_gpus: bool) -> None:
    mesh, found = MeshConfig(data=places), gpus if has_gpus else 0
    room = found or cores * PROCESSES_A_CORE
    if places <= room:
        check_machine(mesh, found, cores)
    else:
        with pytest.raises(RecipeError, match=f"wants {places} places"):
            check_machine(mesh, found, cores)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_the_nearest_batch_is_one_that_fits(batch: int, data: int, shard: int) -> None:
    """What the advice says is followed, and passes."""
    model = Architecture(vocab_size=50, d_model=32, layers=2, heads=4, kv_heads=2, d_ff=48, context=16)
    try:
        check_mesh(train(batch, data=data, shard=shard), model)
        assert batch % (data * shard) == 0
    except RecipeError as error:
        words = str(error.advice).split(", or")[0].split()
        for word in words:
            if word.isdigit():
                check_mesh(train(int(word), data=data, shard=shard), model)
