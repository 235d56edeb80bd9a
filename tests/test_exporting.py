from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ownlm.cli import app
from ownlm.errors import InputError, RecipeError, StorageError
from tests.evaluate.models import TINY, tiny
from tests.serve.engines.exported import exported
from tests.tokens.corpora import small


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)], catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def trained_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export artifact's folder, without what `exported` adds later."""
    from ownlm.export.huggingface import write_huggingface

    out = tmp_path_factory.mktemp("artifact")
    write_huggingface(tiny(), small()[0].parent / "vocabulary", out)
    (out / "ctranslate2").mkdir()
    (out / "ctranslate2" / "ownlm.json").write_text(
        json.dumps({"fill_in_the_middle": False, "pack": "repositories", "repository_names": False})
    )
    return out


def test_a_hugging_face_folder_as_gguf_and_ctranslate2(trained_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp is not here: pip install xllamacpp")
    shown = run(trained_dir, "--to", "gguf", "--to", "ctranslate2", "--out", tmp_path)
    assert (tmp_path / "gguf" / "model.gguf").is_file()
    assert (tmp_path / "ctranslate2" / "model.bin").is_file()
    assert not (tmp_path / "huggingface").exists()
    assert not (tmp_path / "scratch").exists()
    assert shown.count("8 of 8 prompts, 100.0 % of tokens") == 2
    described = json.loads((tmp_path / "gguf" / "ownlm.json").read_text())
    assert described["fill_in_the_middle"] is False  # as the artifact says
    assert (described["pack"], described["repository_names"]) == ("repositories", False)
    assert described["context"] == TINY.context
    page = (tmp_path / "report" / "index.html").read_text()
    assert "gguf/model.gguf" in page


def test_a_quantized_form_tells_its_agreement(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp is not here: pip install xllamacpp")
    told = json.loads(
        run(exported() / "huggingface", "--to", "gguf", "--quantization", "q8_0", "--out", tmp_path, "--json")
    )
    assert 0 < told["gguf.agreement"] <= 1
    assert told["gguf.bytes"] < 2 * sum(file.stat().st_size for file in (tmp_path / "gguf").iterdir())
    assert told["out"] == str(tmp_path)


def test_what_is_there_is_not_written_over(trained_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "gguf").mkdir()
    with pytest.raises(StorageError, match="already"):
        run(trained_dir, "--to", "gguf", "--out", tmp_path)


@pytest.mark.parametrize("form", ["gguf", "ctranslate2", "triton"])
def test_an_unknown_quantization(trained_dir: Path, tmp_path: Path, form: str) -> None:
    with pytest.raises(RecipeError, match="no such quantization"):
        run(trained_dir, "--to", form, "--quantization", "int3", "--out", tmp_path)


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model in this folder"):
        run(tmp_path, "--to", "gguf")
    with pytest.raises(InputError, match="Nothing was run here"):
        run("nothing", "--to", "gguf", "--home", tmp_path)
