"""Settings of export. Light to import: no torch, no transformers, no ctranslate2."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ownlm.model.architecture import Architecture
from ownlm.recipe.base import Config, PartsConfig

Quantization = Literal[
    "float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16"
]

GgufType = Literal["f32", "f16", "q8_0"]
"""llama.cpp's names of how matrices are stored: 4, 2 and 1.06 bytes a number."""


class HuggingFaceExport(Config):
    """A folder `transformers`, vLLM and TGI load: config.json, model.safetensors, tokenizer.json."""


class Ctranslate2Export(Config):
    """A folder the CTranslate2 engine loads, complete for serving."""

    quantization: Quantization = Field("float32", description="how weights are stored; int8 is a quarter of the size")


class GgufExport(Config):
    """A GGUF file llama.cpp loads, tokenizer included, and what a gateway in front of its server needs."""

    quantization: GgufType = Field("f32", description="how matrices are stored; q8_0 is about a quarter of the size")


class TritonExport(Config):
    """Triton model repositories: one for its Python backend, one for its vLLM backend."""

    quantization: Quantization = Field("float32", description="how the Python backend's weights are stored")
    instances: int = Field(1, description="generations the Python backend computes at the same time", ge=1, le=64)
    threads: int = Field(0, description="its CPU threads; 0: one for small models, else four", ge=0, le=256)
    gpu_memory: float = Field(0.5, description="share of a GPU's memory the vLLM backend takes", gt=0, le=1)


class ExportConfig(PartsConfig):
    """The recipe's `export` block: formats that are on unless they are null, or a list of those that are on."""

    parts: ClassVar[tuple[str, ...]] = ("huggingface", "ctranslate2", "gguf", "triton")
    unless_set: ClassVar[frozenset[str]] = frozenset({"gguf", "triton"})
    """Formats that came later: left out of the key while they are off, so that older artifacts stay found."""

    huggingface: HuggingFaceExport | None = Field(HuggingFaceExport(), description="for transformers, vLLM, TGI")
    ctranslate2: Ctranslate2Export | None = Field(Ctranslate2Export(), description="for `ownlm serve` on CPUs and GPUs")
    gguf: GgufExport | None = Field(None, description="for llama.cpp, Ollama, LM Studio; {} is on")
    triton: TritonExport | None = Field(None, description="for Triton Inference Server; {} is on")

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        return {name: value for name, value in values.items() if value is not None or name not in self.unless_set}


def refused_by_ctranslate2(architecture: Architecture) -> str | None:
    """Why CTranslate2 (4.8) cannot be given this model, in words; None when it can.

    It has no converter for experts and state spaces, expects d_model / heads as Llama's head width, knows no YaRN, and
    takes 8,192 for the context before Llama 3's scaling, whatever the folder says (other tokens came out).
    """
    if architecture.family not in ("llama", "qwen3"):
        return f"CTranslate2 converts the families llama and qwen3, not {architecture.family}"
    if architecture.family == "llama" and architecture.head_dim is not None:
        return "CTranslate2 takes d_model / heads for a Llama's head width, and model.head_dim is another"
    if architecture.rope_scaling is not None and architecture.rope_scaling.kind != "linear":
        return f"CTranslate2 does not compute rope_scaling {architecture.rope_scaling.kind}, only linear"
    return None


def refused_by_gguf(architecture: Architecture) -> str | None:
    """Why llama.cpp cannot be given this model, in words; None when it can.

    Of dots1 and bamba no file is written: their tensors are arranged in ways nobody here has tried with llama.cpp.
    """
    if architecture.family not in ("llama", "qwen3", "mixtral", "qwen3_moe"):
        return f"GGUF is written of the families llama, qwen3, mixtral and qwen3_moe, not of {architecture.family}"
    if architecture.family == "qwen3_moe" and architecture.experts is not None and architecture.experts.dense_layers:
        return "llama.cpp's qwen3moe has experts in all layers, and this model has dense_layers"
    return None


REFUSED = {"ctranslate2": refused_by_ctranslate2, "gguf": refused_by_gguf, "triton": refused_by_ctranslate2}
"""Formats that not every model has -> why one has not."""


class ExportStage(Config):
    """Everything the exported bytes depend on, beside the model and the vocabulary."""

    export: ExportConfig = Field(ExportConfig(), description="the formats written")
