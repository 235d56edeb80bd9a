"""Settings of export. Light to import: no torch, no transformers, no ctranslate2."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ownlm.model.architecture import Architecture
from ownlm.recipe.base import Config, PartsConfig

Quantization = Literal[
    "float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16"
]


class HuggingFaceExport(Config):
    """A folder `transformers`, vLLM and TGI load: config.json, model.safetensors, tokenizer.json."""


class Ctranslate2Export(Config):
    """A folder the CTranslate2 engine loads, complete for serving."""

    quantization: Quantization = Field("float32", description="how weights are stored; int8 is a quarter of the size")


class ExportConfig(PartsConfig):
    """The recipe's `export` block: formats that are on unless they are null, or a list of those that are on."""

    parts: ClassVar[tuple[str, ...]] = ("huggingface", "ctranslate2")

    huggingface: HuggingFaceExport | None = Field(HuggingFaceExport(), description="for transformers, vLLM, TGI")
    ctranslate2: Ctranslate2Export | None = Field(Ctranslate2Export(), description="for `ownlm serve` on CPUs and GPUs")


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


class ExportStage(Config):
    """Everything the exported bytes depend on, beside the model and the vocabulary."""

    export: ExportConfig = Field(ExportConfig(), description="the formats written")
