from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import ArtifactError, DependencyError, RecipeError, StorageError
from ownlm.export.config import refused_by_ctranslate2
from ownlm.export.ctranslate2 import ctranslate2_greedy, write_ctranslate2
from ownlm.export.description import Description, short_count
from ownlm.export.huggingface import quiet_transformers, write_huggingface
from ownlm.export.parity import compare
from ownlm.model.architecture import Experts, Family, RopeScaling
from tests.evaluate.models import TINY, tiny
from tests.model.strategies import lively
from tests.tokens.corpora import small


@pytest.fixture(scope="module")
def huggingface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_huggingface(tiny(), small()[0].parent / "vocabulary", tmp_path_factory.mktemp("hf"))


def convert(huggingface: Path, out: Path) -> Path:
    with quiet_transformers():
        return write_ctranslate2(huggingface, out, "float32", Description(TINY, small()[1], True))


def test_round_trip_of_random_weights(huggingface: Path, tmp_path: Path) -> None:
    folder = convert(huggingface, tmp_path)
    parity = compare(tiny(), small()[1], ctranslate2_greedy(folder, small()[1]))
    assert parity.equal == parity.prompts


def test_writing_again_replaces_what_was_there(huggingface: Path, tmp_path: Path) -> None:
    first = (convert(huggingface, tmp_path) / "model.bin").read_bytes()
    (tmp_path / "ctranslate2" / "model.bin").write_bytes(b"half")
    assert (convert(huggingface, tmp_path) / "model.bin").read_bytes() == first


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_refused(huggingface: Path, tmp_path: Path, missing: str) -> None:
    broken = tmp_path / "huggingface"
    shutil.copytree(huggingface, broken)
    (broken / missing).unlink()
    with pytest.raises(ArtifactError):
        convert(broken, tmp_path)


def test_damaged_weights_are_refused(huggingface: Path, tmp_path: Path) -> None:
    broken = tmp_path / "huggingface"
    shutil.copytree(huggingface, broken)
    (broken / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError, match="cannot convert"):
        convert(broken, tmp_path)


def test_a_damaged_result_is_refused(huggingface: Path, tmp_path: Path) -> None:
    folder = convert(huggingface, tmp_path)
    (folder / "model.bin").write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        ctranslate2_greedy(folder, small()[1])


def test_a_folder_that_cannot_be_written_is_a_storage_error(huggingface: Path, tmp_path: Path) -> None:
    (tmp_path / "ctranslate2").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        convert(huggingface, tmp_path)


def test_a_missing_package_is_named(huggingface: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2.converters", None)
    with pytest.raises(DependencyError, match=r"ctranslate2\.converters is not installed"):
        convert(huggingface, tmp_path)


def test_the_description_is_plain() -> None:
    described = Description(TINY, small()[1], fill_in_the_middle=False).of("int8")
    assert described["quantization"] == "int8"
    assert described["fill_in_the_middle"] is False
    assert described["name"].startswith("ownlm-")
    assert described["architecture"]["d_model"] == 32
    assert "<|sentinel_0|>" not in described["special_tokens"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [(512, "512"), (38_144, "38k"), (2_612_352, "2.6m"), (135_000_000, "135m"), (1_700_000_000, "1.7b")],
)
def test_short_counts(parameters: int, text: str) -> None:
    assert short_count(parameters) == text


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("scaling", [None, RopeScaling("linear", 4.0)])
@pytest.mark.parametrize(("family", "head_dim"), [("llama", None), ("qwen3", 8)])
def test_families_it_converts_say_the_same(
    tmp_path: Path, family: Family, head_dim: int | None, scaling: RopeScaling | None, tied: bool
) -> None:
    architecture = replace(TINY, family=family, head_dim=head_dim, rope_scaling=scaling, tied=tied)
    assert refused_by_ctranslate2(architecture) is None
    decoder = lively(architecture, 1)
    folder = write_huggingface(decoder, small()[0].parent / "vocabulary", tmp_path)
    with quiet_transformers():
        out = write_ctranslate2(folder, tmp_path, "float32", Description(architecture, small()[1], True))
    parity = compare(decoder, small()[1], ctranslate2_greedy(out, small()[1]))
    assert parity.equal == parity.prompts


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head_dim": 8}, "head width"),
        ({"rope_scaling": RopeScaling("yarn", 4.0, 16)}, "yarn"),
        ({"rope_scaling": RopeScaling("llama3", 8.0, 16)}, "llama3"),
        ({"family": "mixtral", "experts": Experts(4, 2, TINY.d_ff)}, "not mixtral"),
    ],
)
def test_what_it_cannot_compute_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        write_ctranslate2(tmp_path, tmp_path, "float32", Description(replace(TINY, **changes), small()[1], True))
