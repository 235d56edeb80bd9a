from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ownlm.errors import ArtifactError
from ownlm.model.architecture import Architecture, Family
from ownlm.model.decoder import Decoder
from ownlm.model.generate import greedy
from ownlm.model.huggingface import load_huggingface, save_huggingface
from ownlm.model.huggingface.configuration import CLASSES, write_config
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from tests.model.strategies import FAMILIES, architectures, lively, tokens

TOLERANCE = 1e-5


def assert_parity(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    scale = float(theirs.abs().max())
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE * max(1.0, scale), rtol=0)
    top = theirs.topk(2, dim=-1).values
    clear = (top[..., 0] - top[..., 1]) > 4 * TOLERANCE * max(1.0, scale)
    assert torch.equal(ours.argmax(-1)[clear], theirs.argmax(-1)[clear])


def with_room(architecture: Architecture, vocabulary_dir: Path) -> Architecture:
    return replace(architecture, vocab_size=Vocabulary.load(vocabulary_dir).size)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=6, deadline=None)
@given(st.data(), st.integers(0, 1000))
def test_transformers_gives_our_logits(
    tmp_path_factory: pytest.TempPathFactory, vocabulary_dir: Path, family: Family, data: st.DataObject, seed: int
) -> None:
    architecture = data.draw(architectures((family,)))
    folder = tmp_path_factory.mktemp("huggingface")
    decoder = lively(with_room(architecture, vocabulary_dir), seed)
    save_huggingface(decoder, vocabulary_dir, folder)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert type(theirs).__name__ == CLASSES[architecture.family]
    tokens_BL = tokens(decoder.architecture, 2, 16, seed)
    with torch.no_grad():
        assert_parity(decoder(tokens_BL), theirs(tokens_BL).logits)


def theirs_of(architecture: Architecture, seed: int) -> torch.nn.Module:
    """A model made by transformers from its own configuration class, with lively weights."""
    config = AutoConfig.for_model(**write_config(architecture, SpecialTokens(reserved=3)))
    config.initializer_range = 0.2
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config).float().eval()


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=6, deadline=None)
@given(st.data(), st.integers(0, 1000))
def test_we_give_the_logits_of_transformers(
    tmp_path_factory: pytest.TempPathFactory, family: Family, data: st.DataObject, seed: int
) -> None:
    architecture = data.draw(architectures((family,)))
    folder = tmp_path_factory.mktemp("huggingface")
    theirs = theirs_of(architecture, seed)
    theirs.save_pretrained(folder)
    ours = load_huggingface(folder)
    assert ours.architecture == architecture
    tokens_BL = tokens(architecture, 2, 16, seed)
    with torch.no_grad():
        assert_parity(ours(tokens_BL), theirs(tokens_BL).logits)


@settings(max_examples=10, deadline=None)
@given(architectures(FAMILIES), st.integers(0, 1000))
def test_there_and_back_changes_no_bit(
    tmp_path_factory: pytest.TempPathFactory, vocabulary_dir: Path, architecture: Architecture, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("huggingface")
    decoder = Decoder(with_room(architecture, vocabulary_dir), seed)
    save_huggingface(decoder, vocabulary_dir, folder)
    back = load_huggingface(folder)
    assert back.architecture == decoder.architecture
    for (name, ours), (other, theirs) in zip(decoder.state_dict().items(), back.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(ours, theirs)


def saved(folder: Path, vocabulary_dir: Path) -> Decoder:
    plain = Architecture(vocab_size=1, d_model=16, layers=2, heads=2, kv_heads=1, d_ff=24, context=64)
    decoder = lively(with_room(plain, vocabulary_dir), 0)
    save_huggingface(decoder, vocabulary_dir, folder)
    return decoder


def test_the_folder_is_complete_and_always_the_same(tmp_path: Path, vocabulary_dir: Path) -> None:
    for name in ("a", "b"):
        saved(tmp_path / name, vocabulary_dir)
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_transformers_completes_as_we_do(tmp_path: Path, vocabulary_dir: Path) -> None:
    decoder = saved(tmp_path, vocabulary_dir)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    vocabulary = Vocabulary.load(tmp_path)
    prompt = "def add(a, b):\n    return"
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert ids == vocabulary.encode(prompt)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=12, do_sample=False
    )[0, len(ids) :]
    stop = vocabulary.special.end_of_text
    ours = greedy(decoder, [ids], 12, stop_ids=[stop])[0]
    assert ours == [token for token in theirs.tolist() if token != stop]


def test_weights_in_several_files_are_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=200, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2
    )
    theirs = LlamaForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="8KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    tokens_BL = torch.arange(20)[None]
    with torch.no_grad():
        assert_parity(load_huggingface(tmp_path)(tokens_BL), theirs(tokens_BL).logits)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "gpt2"},
        {"mlp_bias": True},
        {"attention_bias": True},
        {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, "factor": 2.0}},
        {"hidden_act": "gelu"},
    ],
)
def test_other_architectures_are_refused(tmp_path: Path, vocabulary_dir: Path, change: dict[str, object]) -> None:
    saved(tmp_path, vocabulary_dir)
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="none that ownlm computes"):
        load_huggingface(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_files_are_named(tmp_path: Path, vocabulary_dir: Path, name: str) -> None:
    saved(tmp_path, vocabulary_dir)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_huggingface(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path, vocabulary_dir: Path) -> None:
    saved(tmp_path, vocabulary_dir)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_huggingface(tmp_path)


def test_a_larger_vocabulary_than_the_model_is_refused(tmp_path: Path, vocabulary_dir: Path) -> None:
    small = Architecture(vocab_size=100, d_model=16, layers=1, heads=2, kv_heads=2, d_ff=24, context=64)
    with pytest.raises(ArtifactError, match="the model 100"):
        save_huggingface(Decoder(small), vocabulary_dir, tmp_path)
