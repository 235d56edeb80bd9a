from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.numpy import load_file

from ownlm.errors import ArtifactError, DependencyError, RecipeError, StorageError
from ownlm.export.config import GgufType
from ownlm.export.description import Description
from ownlm.export.gguf.tensors import rope_factors
from ownlm.export.gguf.write import write_gguf
from ownlm.export.huggingface import write_huggingface
from ownlm.model.architecture import Architecture, Experts, RopeScaling
from ownlm.model.rope import angles
from ownlm.tokens.vocabulary.special import SpecialTokens
from tests.evaluate.models import TINY, tiny
from tests.model.strategies import lively
from tests.tokens.corpora import small


@pytest.fixture(scope="module")
def huggingface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_huggingface(tiny(), small()[0].parent / "vocabulary", tmp_path_factory.mktemp("hf"))


def written(huggingface: Path, out: Path, stored: GgufType = "f32", architecture: Architecture = TINY) -> Path:
    return write_gguf(huggingface, out, stored, Description(architecture, small()[1], True))


def field(reader: GGUFReader, name: str) -> Any:
    return reader.fields[name].contents()


def test_the_vocabulary_is_in_the_file(huggingface: Path, tmp_path: Path) -> None:
    vocabulary, reader = small()[1], GGUFReader(written(huggingface, tmp_path) / "model.gguf")
    tokens = field(reader, "tokenizer.ggml.tokens")
    assert tuple(tokens[: vocabulary.special.count]) == vocabulary.special.names
    assert len(tokens) == TINY.vocab_size
    kinds = field(reader, "tokenizer.ggml.token_type")
    assert kinds[: vocabulary.special.count] == [3] * vocabulary.special.count
    assert set(kinds[vocabulary.special.count : vocabulary.size]) == {1}
    assert field(reader, "tokenizer.ggml.pre") == "qwen2"
    ids = {key.split(".")[-1]: field(reader, key) for key in reader.fields if key.endswith("_token_id")}
    assert ids == {
        "bos_token_id": SpecialTokens.end_of_text,
        "eos_token_id": SpecialTokens.end_of_text,
        "eot_token_id": SpecialTokens.im_end,
        "padding_token_id": SpecialTokens.fim_pad,
        "fim_pre_token_id": SpecialTokens.fim_prefix,
        "fim_suf_token_id": SpecialTokens.fim_suffix,
        "fim_mid_token_id": SpecialTokens.fim_middle,
        "fim_pad_token_id": SpecialTokens.fim_pad,
        "fim_rep_token_id": SpecialTokens.repo_name,
        "fim_sep_token_id": SpecialTokens.file_sep,
    }


def test_rows_past_the_vocabulary_have_names_nobody_writes(tmp_path: Path) -> None:
    wide = replace(TINY, vocab_size=small()[1].size + 4)
    folder = write_huggingface(lively(wide, 0), small()[0].parent / "vocabulary", tmp_path)
    reader = GGUFReader(written(folder, tmp_path, architecture=wide) / "model.gguf")
    assert field(reader, "tokenizer.ggml.tokens")[-4:] == [f"[PAD{small()[1].size + number}]" for number in range(4)]
    assert field(reader, "tokenizer.ggml.token_type")[-4:] == [5] * 4


@pytest.mark.parametrize(("stored", "widest"), [("f32", 0.0), ("f16", 2**-10), ("q8_0", 1 / 127)])
def test_weights_are_the_models(huggingface: Path, tmp_path: Path, stored: GgufType, widest: float) -> None:
    from gguf.quants import dequantize

    weights = load_file(huggingface / "model.safetensors")
    reader = GGUFReader(written(huggingface, tmp_path, stored) / "model.gguf")
    assert len(reader.tensors) == len(weights)
    found = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    for ours, theirs in (
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight"),
        ("model.norm.weight", "output_norm.weight"),
    ):
        assert np.abs(found[theirs] - weights[ours]).max() <= widest * np.abs(weights[ours]).max()
    assert np.array_equal(found["output_norm.weight"], weights["model.norm.weight"])  # vectors stay float32


def test_a_row_that_is_no_whole_block_stays_float16(tmp_path: Path) -> None:
    narrow = replace(TINY, d_ff=48)
    folder = write_huggingface(lively(narrow, 0), small()[0].parent / "vocabulary", tmp_path)
    reader = GGUFReader(written(folder, tmp_path, "q8_0", narrow) / "model.gguf")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds["blk.0.ffn_down.weight"] == "F16"
    assert kinds["blk.0.ffn_up.weight"] == "Q8_0"


def test_the_same_model_gives_the_same_bytes(huggingface: Path, tmp_path: Path) -> None:
    first = (written(huggingface, tmp_path / "one", "q8_0") / "model.gguf").read_bytes()
    assert (written(huggingface, tmp_path / "two", "q8_0") / "model.gguf").read_bytes() == first


def test_llama_3s_angles_are_divided_as_ours_are() -> None:
    scaling = RopeScaling("llama3", 8.0, 32)
    scaled = replace(TINY, head_dim=64, rope_theta=500_000.0, context=256, rope_scaling=scaling)
    factors = rope_factors(scaled, scaling)
    assert len(set(factors.tolist())) > 3  # some whole, some untouched, some between
    _, sines = angles(torch.tensor([[1]]), 64, 500_000.0, scaling)
    plain = 500_000.0 ** -(np.arange(0, 64, 2) / 64)
    np.testing.assert_allclose(np.sin(plain / factors), sines[0, 0, 0, :32].numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "dots1", "experts": Experts(4, 2, 16, shared=1)}, "not of dots1"),
        ({"family": "qwen3_moe", "experts": Experts(4, 2, 16, dense_layers=1)}, "dense_layers"),
    ],
)
def test_what_llama_cpp_does_not_compute_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        written(tmp_path, tmp_path, architecture=replace(TINY, **changes))


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_refused(huggingface: Path, tmp_path: Path, missing: str) -> None:
    broken = tmp_path / "huggingface"
    shutil.copytree(huggingface, broken)
    (broken / missing).unlink()
    with pytest.raises(ArtifactError, match="cannot be written as GGUF"):
        written(broken, tmp_path)


def test_damaged_weights_are_refused(huggingface: Path, tmp_path: Path) -> None:
    broken = tmp_path / "huggingface"
    shutil.copytree(huggingface, broken)
    (broken / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError, match="cannot be written as GGUF"):
        written(broken, tmp_path)


def test_another_way_to_cut_words_is_refused(huggingface: Path, tmp_path: Path) -> None:
    broken = tmp_path / "huggingface"
    shutil.copytree(huggingface, broken)
    text = (broken / "tokenizer.json").read_text(encoding="utf-8")
    (broken / "tokenizer.json").write_text(text.replace(r"\\p{N}", r"\\p{N}{1,2}"), encoding="utf-8")
    with pytest.raises(ArtifactError, match="no name for"):
        written(broken, tmp_path)


def test_a_folder_that_cannot_be_written_is_a_storage_error(huggingface: Path, tmp_path: Path) -> None:
    (tmp_path / "gguf").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        written(huggingface, tmp_path)


def test_a_missing_package_is_named(huggingface: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(DependencyError, match="gguf is not installed"):
        written(huggingface, tmp_path)
