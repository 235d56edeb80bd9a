from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from ownlm.errors import ArtifactError, ServerError
from ownlm.model.huggingface import load_huggingface
from ownlm.model.load import save_model
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationRequest
from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine
from ownlm.serve.engines.open import open_engine
from ownlm.serve.engines.torch.opening import open_torch
from ownlm.serve.model import load_model as load_served
from tests.serve.engines.torch.reference import answered, decoder_of, slow

PROMPT = (0, 140, 200, 300, 301, 400)


def config(**settings: object) -> ServeConfig:
    return ServeConfig.model_validate({"engine": "torch", "compute_type": "float64", **settings})


@pytest.mark.parametrize("speculation", ["none", "lookup", "folder"])
def test_an_export_and_its_train_artifact_say_the_same(export_dir: Path, tmp_path: Path, speculation: str) -> None:
    decoder = load_huggingface(export_dir / "huggingface")
    save_model(decoder, tmp_path)
    expected = slow(decoder.double(), request := GenerationRequest(PROMPT, 16, temperature=0))
    settings = config(speculation=str(export_dir) if speculation == "folder" else speculation)
    for folder in (export_dir / "ctranslate2", export_dir / "huggingface", tmp_path):
        engine = open_engine(folder, settings)
        assert answered(engine, request) == expected  # type: ignore[arg-type]
        engine.close()


def test_engines_say_the_same_in_float32(export_dir: Path) -> None:
    torch.set_num_threads(1)
    one, other = (
        open_engine(export_dir / "ctranslate2", ServeConfig(engine=name, threads=1))  # type: ignore[arg-type]
        for name in ("torch", "ctranslate2")
    )
    assert isinstance(other, Ctranslate2Engine)
    for start in range(130, 190):
        request = GenerationRequest((0, start, 140), 12, temperature=0)
        assert answered(one, request) == answered(other, request)  # type: ignore[arg-type]
    one.close()


def test_a_number_type_it_does_not_know(export_dir: Path) -> None:
    with pytest.raises(ServerError, match="'int4'"):
        open_torch(export_dir, config(compute_type="int4"))


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no weights"):
        open_torch(tmp_path, config())


def test_a_draft_model_of_another_vocabulary(export_dir: Path, tmp_path: Path) -> None:
    save_model(decoder_of().float(), tmp_path)
    with pytest.raises(ArtifactError, match="540 tokens"):
        open_torch(export_dir, config(speculation=str(tmp_path)))


def test_an_export_without_a_ctranslate2_folder_is_served(export_dir: Path, tmp_path: Path) -> None:
    """A mixture of experts has none."""
    shutil.copytree(export_dir / "huggingface", tmp_path / "run" / "huggingface")
    shutil.copy(export_dir / "ctranslate2" / "ownlm.json", tmp_path / "run" / "huggingface")
    model = load_served(tmp_path / "run", config())
    request = GenerationRequest(PROMPT, 4, temperature=0)
    assert answered(model.engine, request) == slow(load_huggingface(export_dir / "huggingface").double(), request)  # type: ignore[arg-type]
    assert model.version == "run"
    model.engine.close()


def test_torch_computes_many_at_a_time_unless_told() -> None:
    assert config().parallel == 16
    assert config(parallel=3).parallel == 3
    assert ServeConfig().parallel == 1
