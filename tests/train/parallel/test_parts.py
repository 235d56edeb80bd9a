"""Divisions that need no processes: of positions, of layers, of rows into microbatches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ownlm.model.attention.sdpa import sdpa
from ownlm.model.decoder import Decoder
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.parallel.context import stretches
from ownlm.train.parallel.stage import Elsewhere, cut, merged
from tests.train.parallel.curves import architecture


@given(st.integers(1, 8), st.integers(1, 6))
def test_positions_are_each_in_one_place_and_work_is_even(places: int, width: int) -> None:
    length = 2 * places * width
    divided_PL = stretches(length, places)
    assert sorted(divided_PL.flatten().tolist()) == list(range(length))
    seen_P = (divided_PL + 1).sum(1)  # keys a causal query sees
    assert seen_P.max() == seen_P.min()
    assert (divided_PL.diff(dim=1) > 0).all()


@given(st.integers(1, 7), st.data())
def test_layers_are_each_in_one_stage_in_order(layers: int, data: st.DataObject) -> None:
    stages = data.draw(st.integers(1, layers))
    with torch.device("meta"):
        decoder = Decoder(architecture(layers=layers))
    names = {name for name, _ in decoder.named_parameters(remove_duplicate=False)}
    parts = cut(decoder, stages)
    held = [[i for i, block in enumerate(part.layers) if not isinstance(block, Elsewhere)] for part in parts]
    assert [index for stage in held for index in stage] == list(range(layers))
    assert max(map(len, held)) - min(map(len, held)) <= 1
    found = [name for part in parts for name, _ in part.named_parameters(remove_duplicate=False)]
    assert sorted(found) == sorted(names)
    assert {name for name, _ in merged(parts).named_parameters(remove_duplicate=False)} == names
    assert {name for name, _ in decoder.named_parameters(remove_duplicate=False)} == names


def test_stages_one_after_another_are_the_decoder() -> None:
    decoder = Decoder(architecture())
    tokens_BL = torch.randint(0, 300, (2, 32))
    x = tokens_BL
    for part in cut(decoder, 3):
        view = part.view(torch.arange(32)[None], None, attend=sdpa(None))
        x = part.embed_tokens(x)
        for block in part.layers:
            x = block(x, view)
        x = part.norm(x)
    assert torch.equal(x, decoder.hidden(tokens_BL))


@pytest.mark.parametrize(("rows", "pipeline", "parts"), [(8, 2, 4), (6, 2, 2), (12, 3, 6), (5, 2, 1)])
def test_microbatches_are_two_a_stage_where_rows_allow(rows: int, pipeline: int, parts: int) -> None:
    assert MeshConfig(pipeline=pipeline).microbatches_of(rows) == parts
    assert MeshConfig(pipeline=pipeline, microbatches=3).microbatches_of(rows) == 3
