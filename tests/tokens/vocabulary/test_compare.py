"""What is compared with: settings, where files are found, and what the stage's key depends on."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
import tiktoken.load
import tiktoken_ext.openai_public as public
from pydantic import ValidationError

from ownlm.errors import InputError
from ownlm.flow import stages_of
from ownlm.pipeline.key import stage_key
from ownlm.recipe.schema import Recipe
from ownlm.tokens.vocabulary.compare import ENCODINGS, RivalConfig, compared_fingerprint, file_of
from ownlm.tokens.vocabulary.config import VocabularyConfig
from tests.toy_run import toy_recipe


def compared(*entries: Any) -> list[RivalConfig]:
    return VocabularyConfig(compare=list(entries)).compare


def ranks_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(base64.b64encode(bytes([n])) + b" %d\n" % n for n in range(256)))
    return path


@pytest.mark.parametrize(
    ("entry", "kind", "label"),
    [
        ("models/qwen", "huggingface", "qwen"),
        ("models/qwen/tokenizer.json", "huggingface", "qwen"),
        ({"path": "models/qwen/", "name": "Qwen"}, "huggingface", "Qwen"),
        ("x/cl100k_base.tiktoken", "tiktoken", "cl100k_base"),
        ({"tiktoken": "o200k_base"}, "tiktoken", "o200k_base"),
        ({"tiktoken": "o200k_base", "path": "x/fb374d41"}, "tiktoken", "o200k_base"),
        ({"path": "llama/tokenizer.model", "pattern": r"\p{L}+|\P{L}+"}, "tiktoken", "tokenizer.model"),
        ({"path": "x/own.tiktoken", "pattern": "cl100k_base"}, "tiktoken", "own"),
    ],
)
def test_an_entry_is_a_path_or_says_more(entry: Any, kind: str, label: str) -> None:
    (rival,) = compared(entry)
    assert (rival.kind, rival.label) == (kind, label)
    assert bool(rival.words) == (kind == "tiktoken")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "name a tokenizer by its `path`"),
        ({"name": "x"}, "name a tokenizer by its `path`"),
        ({"pattern": "."}, "name a tokenizer by its `path`"),
        ({"tiktoken": "o200k_base", "path": "x", "pattern": "."}, "not with `tiktoken`"),
        ("x/own.tiktoken", "does not say how words are cut"),
        ({"tiktoken": "o300k_base"}, "Input should be"),
    ],
)
def test_an_entry_that_is_unclear_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        compared(wrong)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two tokenizers would be called 'qwen'"):
        compared("a/qwen", "b/qwen/tokenizer.json")
    assert len(compared("a/qwen", {"path": "b/qwen", "name": "other"})) == 2


@pytest.mark.parametrize("name", ENCODINGS)
def test_named_encodings_are_what_tiktoken_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """Pattern, hash, and the very file tiktoken would look for before it asks the network."""
    asked: dict[str, str] = {}

    def load(address: str, expected_hash: str) -> dict[bytes, int]:
        asked.update(address=address, sha256=expected_hash)
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", load)
    assert public.ENCODING_CONSTRUCTORS[name]()["pat_str"] == ENCODINGS[name].pattern
    assert asked["sha256"] == ENCODINGS[name].sha256
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(InputError, match=f"{name} is not on this machine") as caught:
        file_of(compared({"tiktoken": name})[0])
    assert caught.value.where is not None
    assert asked["address"] in str(caught.value)
    Path(caught.value.where).write_bytes(b"kept")
    assert tiktoken.load.read_file_cached(asked["address"]) == b"kept"
    assert file_of(compared({"tiktoken": name})[0]) == Path(caught.value.where)


def test_every_encoding_of_tiktoken_with_words_of_its_own_is_known() -> None:
    others = {"gpt2", "p50k_edit", "o200k_harmony"}  # the same words and ranks, other special tokens
    assert set(public.ENCODING_CONSTRUCTORS) - others == set(ENCODINGS)


def test_a_file_that_is_not_the_encoding_it_is_called_is_refused(tmp_path: Path) -> None:
    file = ranks_file(tmp_path / "cl100k_base.tiktoken")
    for entry in (str(file), {"tiktoken": "o200k_base", "path": str(file)}):
        with pytest.raises(InputError, match=hashlib.sha256(file.read_bytes()).hexdigest()):
            compared_fingerprint(compared(entry))
    compared_fingerprint(compared({"path": str(file), "pattern": "cl100k_base"}))


@pytest.mark.parametrize("name", ["nothing", "nothing.json"])
def test_a_path_that_leads_nowhere_is_said_before_anything_runs(tmp_path: Path, name: str) -> None:
    recipe = toy_recipe(tmp_path)
    vocabulary = recipe.vocabulary.model_copy(update={"compare": compared(str(tmp_path / name))})
    with pytest.raises(InputError, match="is not there"):
        stages_of(recipe.model_copy(update={"vocabulary": vocabulary}))


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        file_of(compared(str(tmp_path))[0])


def test_the_key_depends_on_what_is_in_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    ranks = ranks_file(tmp_path / "own.tiktoken")
    rivals = compared(str(folder), {"path": str(ranks), "pattern": "o200k_base"})
    keys = [_vocabulary_key(tmp_path, rivals)]
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert _vocabulary_key(tmp_path, rivals) == keys[0], "only tokenizer.json is read"
    (folder / "tokenizer.json").write_text("{ }")
    keys.append(_vocabulary_key(tmp_path, rivals))
    ranks.write_bytes(ranks.read_bytes() + b"YWI= 256\n")
    keys.append(_vocabulary_key(tmp_path, rivals))
    keys.append(_vocabulary_key(tmp_path, []))
    assert len(set(keys)) == 4


def _vocabulary_key(tmp_path: Path, rivals: list[RivalConfig]) -> str:
    recipe: Recipe = toy_recipe(tmp_path)
    vocabulary = recipe.vocabulary.model_copy(update={"compare": rivals})
    stages = stages_of(recipe.model_copy(update={"vocabulary": vocabulary}))
    stage = next(stage for stage in stages if stage.name == "vocabulary")
    assert (stage.fingerprint is None) == (not rivals)
    return stage_key(stage, {"corpus": "0"}, stage.fingerprint(None) if stage.fingerprint else None)
