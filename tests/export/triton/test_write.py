"""The repositories' files. That the real server computes with them is tested with its engine (tests/serve/engines)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from ownlm.errors import RecipeError, StorageError
from ownlm.export import triton
from ownlm.export.config import TritonExport
from ownlm.export.description import Description
from ownlm.export.huggingface import quiet_transformers, write_huggingface
from ownlm.export.triton.write import write_triton
from ownlm.model.architecture import RopeScaling
from tests.evaluate.models import TINY, tiny
from tests.tokens.corpora import small


@pytest.fixture(scope="module")
def huggingface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_huggingface(tiny(), small()[0].parent / "vocabulary", tmp_path_factory.mktemp("hf"))


def written(huggingface: Path, out: Path, config: TritonExport | None = None) -> Path:
    with quiet_transformers():
        return write_triton(huggingface, out, config or TritonExport(), Description(TINY, small()[1], True))


def test_the_configurations_are_tritons(huggingface: Path, tmp_path: Path) -> None:
    """Read with the schema that Triton itself reads them with."""
    folder = written(huggingface, tmp_path, TritonExport(instances=3, threads=2))
    found = {}
    for name in ("python", "vllm"):
        text = (folder / name / "ownlm" / "config.pbtxt").read_text()
        found[name] = text_format.Parse(text, model_config_pb2.ModelConfig())
        assert found[name].name == "ownlm"
        assert found[name].backend == name
    assert found["python"].model_transaction_policy.decoupled
    assert found["python"].parameters["parallel"].string_value == "3"
    assert found["python"].parameters["threads"].string_value == "2"
    required = {one.name for one in found["python"].input if not one.optional}
    assert required == {"input_ids"}


def test_the_python_backends_model_is_our_file(huggingface: Path, tmp_path: Path) -> None:
    folder = written(huggingface, tmp_path) / "python" / "ownlm" / "1"
    ours = Path(triton.__file__).with_name("backend_model.py")
    assert (folder / "model.py").read_bytes() == ours.read_bytes()
    assert "import ownlm" not in ours.read_text()
    assert "from ownlm" not in ours.read_text()
    assert (folder / "ctranslate2" / "model.bin").is_file()


def test_the_vllm_backend_finds_a_hugging_face_folder(huggingface: Path, tmp_path: Path) -> None:
    folder = written(huggingface, tmp_path, TritonExport(gpu_memory=0.3)) / "vllm"
    arguments = json.loads((folder / "ownlm" / "1" / "model.json").read_text())
    assert arguments["max_model_len"] == TINY.context
    assert arguments["gpu_memory_utilization"] == 0.3
    mounted = folder / Path(arguments["model"]).relative_to("/models")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in mounted.iterdir()}


def test_the_gateways_files_are_there(huggingface: Path, tmp_path: Path) -> None:
    folder = written(huggingface, tmp_path)
    assert (folder / "tokenizer.json").read_bytes() == (huggingface / "tokenizer.json").read_bytes()
    assert json.loads((folder / "ownlm.json").read_text())["context"] == TINY.context


def test_the_same_model_gives_the_same_bytes(huggingface: Path, tmp_path: Path) -> None:
    def hashes(folder: Path) -> dict[str, str]:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert hashes(written(huggingface, tmp_path / "one")) == hashes(written(huggingface, tmp_path / "two"))


def test_what_its_backend_cannot_compute_is_refused(huggingface: Path, tmp_path: Path) -> None:
    yarn = replace(TINY, rope_scaling=RopeScaling("yarn", 4.0, 16))
    with pytest.raises(RecipeError, match="yarn"):
        write_triton(huggingface, tmp_path, TritonExport(), Description(yarn, small()[1], True))


def test_a_folder_that_cannot_be_written_is_a_storage_error(huggingface: Path, tmp_path: Path) -> None:
    (tmp_path / "triton").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        written(huggingface, tmp_path)
