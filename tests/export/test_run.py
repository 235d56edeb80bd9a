from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import ctranslate2
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ownlm.errors import ArtifactError
from ownlm.export.config import Ctranslate2Export, ExportConfig, ExportStage, HuggingFaceExport
from ownlm.export.huggingface import quiet_transformers
from ownlm.export.run import export, fills_in, packed_in
from ownlm.model.huggingface import load_huggingface
from ownlm.model.load import load_model
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.stage import StageContext
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import load_model as load_served
from ownlm.tokens.vocabulary.load import Vocabulary
from tests.context import artifact_at, make_context
from tests.evaluate.models import trained


def context_of(
    tmp_path: Path, config: ExportConfig | None = None, name: str = "out", **inputs: Path | Artifact
) -> StageContext:
    train, vocabulary, _ = trained()
    given = {"train": train, "vocabulary": vocabulary} | inputs
    return make_context(tmp_path, ExportStage(export=config or ExportConfig()), given, name=name)


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "metrics.jsonl"
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[StageContext, dict[str, object]]:
    context = context_of(tmp_path_factory.mktemp("export"))
    return context, dict(export(context))


def test_every_form_says_what_the_trained_model_says(exported: tuple[StageContext, dict[str, object]]) -> None:
    _, headline = exported
    assert headline["huggingface.prompts_equal"] == headline["ctranslate2.prompts_equal"] == "8 of 8"
    assert headline["huggingface.agreement"] == headline["ctranslate2.agreement"] == 1.0


def test_the_serving_folder_is_complete(exported: tuple[StageContext, dict[str, object]]) -> None:
    folder = exported[0].out / "ctranslate2"
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.bin",
        "ownlm.json",
        "tokenizer.json",
        "vocabulary.json",
    }
    vocabulary = Vocabulary.load(folder)
    described = json.loads((folder / "ownlm.json").read_text())
    assert described["vocabulary"] == {"size": vocabulary.size, "sha256": vocabulary.content}
    assert described["context"] == 64
    assert described["fill_in_the_middle"] is True
    assert described["special_tokens"]["<|fim_middle|>"] == vocabulary.special.fim_middle
    assert described["special_token_count"] == vocabulary.special.count
    assert isinstance(json.loads((folder / "config.json").read_text())["bos_token"], str)
    names = json.loads((folder / "vocabulary.json").read_text())
    assert names[: vocabulary.special.count] == list(vocabulary.special.names)
    ctranslate2.Generator(str(folder), device="cpu", intra_threads=1)


def test_the_hugging_face_folder_is_the_model(exported: tuple[StageContext, dict[str, object]]) -> None:
    ours, theirs = load_model(trained()[0]), load_huggingface(exported[0].out / "huggingface")
    assert ours.architecture == theirs.architecture
    for (name, one), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert one.equal(other), name


def test_the_page_shows_files_and_parity(exported: tuple[StageContext, dict[str, object]]) -> None:
    page = (exported[0].out / "report" / "index.html").read_text()
    for shown in ("ctranslate2/model.bin", "huggingface/model.safetensors", "8 of 8", "100.0 %"):
        assert shown in page


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, exported: tuple[StageContext, dict[str, object]]) -> None:
    again = context_of(tmp_path)
    export(again)
    assert hashes(again.out) == hashes(exported[0].out)


def test_ctranslate2_alone_leaves_no_other_folder(tmp_path: Path) -> None:
    context = context_of(tmp_path, ExportConfig.model_validate(["ctranslate2"]))
    headline = export(context)
    assert not (context.out / "huggingface").exists()
    assert not (context.out / "scratch").exists()
    assert (context.out / "ctranslate2" / "model.bin").is_file()
    assert "huggingface.bytes" not in headline


def test_hugging_face_alone(tmp_path: Path) -> None:
    context = context_of(tmp_path, ExportConfig(huggingface=HuggingFaceExport(), ctranslate2=None))
    assert set(export(context)) == {"huggingface.agreement", "huggingface.prompts_equal", "huggingface.bytes"}
    assert not (context.out / "ctranslate2").exists()


def test_int8_is_smaller_and_its_agreement_is_told(
    tmp_path: Path, exported: tuple[StageContext, dict[str, object]]
) -> None:
    config = ExportConfig(huggingface=None, ctranslate2=Ctranslate2Export(quantization="int8"))
    context = context_of(tmp_path, config)
    headline = export(context)
    size = (context.out / "ctranslate2" / "model.bin").stat().st_size
    assert size < (exported[0].out / "ctranslate2" / "model.bin").stat().st_size / 2
    agreement = headline["ctranslate2.agreement"]
    assert isinstance(agreement, float)
    assert 0 <= agreement <= 1


def test_gguf_and_triton_as_parts_of_a_recipe(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp is not here: pip install xllamacpp")
    context = context_of(tmp_path, ExportConfig.model_validate(["gguf", "triton"]))
    headline = export(context)
    assert headline["gguf.prompts_equal"] == headline["triton.prompts_equal"] == "8 of 8"
    assert {path.name for path in context.out.iterdir()} >= {"gguf", "triton", "report"}
    assert not (context.out / "huggingface").exists()
    assert "gguf/model.gguf" in (context.out / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("config", "fills"),
    [
        ({}, True),
        ({"objectives": {"fill_in_the_middle": None}}, False),
        ({"objectives": {"fill_in_the_middle": {"rate": 0.0}}}, False),
        ({"objectives": {"fill_in_the_middle": {"rate": 0.5}}}, True),
        ({"objectives": {"fill_in_the_middle": {"rate": 0.0, "sources": {"mine": 0.1}}}}, True),
        ({"objectives": {"fill_in_the_middle": {"rate": 0.0, "sources": {"mine": 0.0}}}}, False),
    ],
)
def test_knows_whether_the_model_learned_to_fill_in(config: dict[str, Any], fills: bool) -> None:
    plain = artifact_at(trained()[0], "train")
    train = Artifact(plain.path, plain.manifest.model_copy(update={"config": config}))
    assert fills_in(train) is fills


def trained_by(recipe: str) -> Artifact:
    plain = artifact_at(trained()[0], "train")
    return Artifact(plain.path, plain.manifest.model_copy(update={"recipe": recipe}))


PACKED = "shards: {pack: repositories, repository_names: 0.0}\n"


@pytest.mark.parametrize(
    ("recipe", "packed"),
    [
        ("", {}),
        ("name: old\n", {}),
        ("shards: {pack: documents}\n", {}),
        ("shards: {pack: repositories}\n", {"pack": "repositories", "repository_names": True}),
        (PACKED, {"pack": "repositories", "repository_names": False}),
    ],
)
def test_knows_how_documents_were_packed(recipe: str, packed: dict[str, Any]) -> None:
    assert packed_in(trained_by(recipe)) == packed


def test_the_description_says_how_repositories_were_packed(tmp_path: Path) -> None:
    context = context_of(tmp_path, train=trained_by(PACKED))
    export(context)
    served = load_served(context.out, ServeConfig())
    assert (served.pack, served.repository_names) == ("repositories", False)


def test_the_folder_loads_with_transformers_own_classes(exported: tuple[StageContext, dict[str, object]]) -> None:
    folder = exported[0].out / "huggingface"
    vocabulary = Vocabulary.load(trained()[1])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(folder)
    text = "def value(item):\n    return item\n"
    ids = tokenizer(text)["input_ids"]
    assert ids == vocabulary.encode(text)
    with torch.inference_mode():
        theirs, ours = model(torch.tensor([ids])).logits, load_model(trained()[0])(torch.tensor([ids]))
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


def test_says_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export(context_of(tmp_path))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damaged", ["model.safetensors", "model.json"])
def test_a_damaged_model_is_one_clear_error(tmp_path: Path, damaged: str) -> None:
    train = tmp_path / "train"
    shutil.copytree(trained()[0], train)
    (train / damaged).write_bytes(b"nothing of the kind")
    with pytest.raises(ArtifactError):
        export(context_of(tmp_path, train=train))


def test_a_damaged_vocabulary_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "vocabulary").mkdir()
    (tmp_path / "vocabulary" / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match="vocabulary"):
        export(context_of(tmp_path, vocabulary=tmp_path / "vocabulary"))
