"""The Triton folder: two model repositories, and what our gateway needs in front of them.

    triton/python/ownlm/config.pbtxt    1/model.py  1/ctranslate2/     Python backend: CPU or GPU, needs ctranslate2
    triton/vllm/ownlm/config.pbtxt      1/model.json  1/huggingface/   vLLM backend: GPU
    triton/tokenizer.json  ownlm.json                                  for `ownlm serve` with engine triton

`tritonserver --model-repository=triton/python` serves the first. The same model gives the same bytes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ownlm.errors import RecipeError
from ownlm.export.config import TritonExport, refused_by_ctranslate2
from ownlm.export.ctranslate2 import write_ctranslate2
from ownlm.export.description import DESCRIPTION, Description, unwritable
from ownlm.model.architecture import Architecture
from ownlm.tokens.vocabulary.load import TOKENIZER_FILE

FOLDER = "triton"
MODEL = "ownlm"
"""What Triton calls the model."""

WEIGHTS = f"python/{MODEL}/1/ctranslate2"
"""What its Python backend computes, below the folder."""

MOUNTED = "/models"
"""Where vLLM's backend finds the repository: its model.json needs an absolute path."""

_INPUTS = {
    "input_ids": ("TYPE_INT32", "-1", False),
    "max_tokens": ("TYPE_INT32", "1", True),
    "temperature": ("TYPE_FP64", "1", True),
    "top_p": ("TYPE_FP64", "1", True),
    "top_k": ("TYPE_INT32", "1", True),
    "seed": ("TYPE_INT64", "1", True),
    "choices": ("TYPE_INT32", "1", True),
    "stop_ids": ("TYPE_INT32", "-1", True),
    "logprobs": ("TYPE_INT32", "1", True),
    "score_only": ("TYPE_BOOL", "1", True),
}
_OUTPUTS = {
    "choice": ("TYPE_INT32", "1"),
    "token": ("TYPE_INT32", "1"),
    "finish_reason": ("TYPE_STRING", "1"),
    "logprob": ("TYPE_FP64", "1"),
    "top_ids": ("TYPE_INT32", "-1"),
    "top_logprobs": ("TYPE_FP64", "-1"),
}


def write_triton(huggingface: Path, out: Path, config: TritonExport, model: Description) -> Path:
    """Write `out/triton` from a Hugging Face folder that our export wrote; returns it.

    Raises:
        DependencyError: ctranslate2 or transformers is not installed.
        RecipeError: CTranslate2 does not compute such a model.
        ArtifactError: the folder cannot be converted.
        StorageError: the disk is full or the folder cannot be written.
    """
    reason = refused_by_ctranslate2(model.architecture)
    if reason is not None:
        raise RecipeError(reason, where="export.triton", advice="leave triton out of the recipe's export")
    folder = out / FOLDER
    python, vllm = folder / "python" / MODEL, folder / "vllm" / MODEL
    converted = write_ctranslate2(huggingface, python / "1", config.quantization, model)
    try:
        for name in (TOKENIZER_FILE, DESCRIPTION):
            shutil.copyfile(converted / name, folder / name)
        shutil.copyfile(Path(__file__).with_name("backend_model.py"), python / "1" / "model.py")
        (python / "config.pbtxt").write_text(python_config(config), encoding="utf-8")
        shutil.copytree(huggingface, vllm / "1" / "huggingface", dirs_exist_ok=True)
        (vllm / "1" / "model.json").write_text(vllm_arguments(config, model.architecture), encoding="utf-8")
        (vllm / "config.pbtxt").write_text(VLLM_CONFIG, encoding="utf-8")
    except OSError as error:
        raise unwritable("Triton", folder, error) from error
    return folder


def python_config(config: TritonExport) -> str:
    """config.pbtxt of the Python backend."""
    inputs = ",\n".join(
        f'  {{ name: "{name}" data_type: {kind} dims: [ {size} ]{" optional: true" if optional else ""} }}'
        for name, (kind, size, optional) in _INPUTS.items()
    )
    outputs = ",\n".join(
        f'  {{ name: "{name}" data_type: {kind} dims: [ {size} ] }}' for name, (kind, size) in _OUTPUTS.items()
    )
    settings = {
        "device": "auto",
        "compute_type": "default",
        "parallel": str(config.instances),
        "threads": str(config.threads),
    }
    parameters = "\n".join(
        f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}' for name, value in settings.items()
    )
    return (
        f'name: "{MODEL}"\nbackend: "python"\nmax_batch_size: 0\n'
        "model_transaction_policy { decoupled: true }\n"
        "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
        f"input [\n{inputs}\n]\noutput [\n{outputs}\n]\n{parameters}\n"
    )


def vllm_arguments(config: TritonExport, architecture: Architecture) -> str:
    """model.json of the vLLM backend: arguments of vLLM's engine."""
    arguments = {
        "model": f"{MOUNTED}/{MODEL}/1/huggingface",
        "max_model_len": architecture.context,
        "gpu_memory_utilization": config.gpu_memory,
        "enable_prefix_caching": True,
    }
    return json.dumps(arguments, indent=2) + "\n"


VLLM_CONFIG = f"""name: "{MODEL}"
backend: "vllm"
instance_group [ {{ count: 1 kind: KIND_MODEL }} ]
"""
"""The vLLM backend adds inputs, outputs and the decoupled policy itself."""
