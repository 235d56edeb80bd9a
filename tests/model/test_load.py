from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings

from ownlm.errors import ArtifactError, StorageError
from ownlm.model.config import Architecture
from ownlm.model.decoder import Decoder
from ownlm.model.load import load_model, save_model
from tests.model.strategies import FAMILIES, architectures, lively, tokens

SMALL = Architecture(vocab_size=140, d_model=16, layers=2, heads=2, kv_heads=1, d_ff=24, context=32)


@settings(max_examples=15, deadline=None)
@given(architectures(FAMILIES))
def test_round_trip_gives_the_same_logits(tmp_path_factory: pytest.TempPathFactory, architecture: Architecture) -> None:
    folder = tmp_path_factory.mktemp("model")
    decoder = lively(architecture, 7)
    save_model(decoder, folder)
    loaded = load_model(folder)
    tokens_BL = tokens(architecture, 2, 8, 0)
    with torch.no_grad():
        assert torch.equal(decoder(tokens_BL), loaded(tokens_BL))
    assert loaded.architecture == architecture
    assert not loaded.training
    assert (loaded.lm_head.weight is loaded.embed_tokens.weight) == architecture.tied


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_model(Decoder(SMALL, 3), tmp_path / name)
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no trained model") as caught:
        load_model(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert caught.value.advice


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused(tmp_path: Path, keep: int) -> None:
    save_model(Decoder(SMALL), tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_model(tmp_path)


def test_a_broken_description_is_refused(tmp_path: Path) -> None:
    save_model(Decoder(SMALL), tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_model(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_model(Decoder(SMALL), tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(SMALL.to_json() | {"d_ff": 32}))
    with pytest.raises(ArtifactError, match="do not fit"):
        load_model(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        save_model(Decoder(SMALL), tmp_path / "file")
