"""How a model under test is opened and asked. Light to import: the command line and recipes name it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ownlm.recipe.base import Config


class ModelSettings(Config):
    """Settings of `open_model`. Those of servers mean nothing to folders, and the other way round."""

    name: str | None = Field(None, min_length=1, description="as tables call it; taken from the model when null")
    home: str = Field(".ownlm", min_length=1, description="where runs and artifacts are looked up by name")
    vocabulary: str | None = Field(
        None, min_length=1, description="folder of tokenizer.json, for a model that lies apart from its vocabulary"
    )
    engine: Literal["auto", "torch", "ctranslate2"] = Field(
        "auto", description="what computes the tokens; auto: torch where there are weights, else ctranslate2"
    )
    precision: Literal["auto", "float64", "float32", "bfloat16"] = Field(
        "auto", description="of torch; auto: float64 up to 400M parameters (no ties by rounding), else float32"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the engine runs")
    batch: int = Field(64, ge=1, le=4096, description="most answers computed together by torch")
    threads: int = Field(0, ge=0, le=256, description="requests at a time with ctranslate2; 0: one a core")
    fim_order: Literal["suffix_first", "prefix_first"] = Field(
        "suffix_first", description="layout of a prompt with a suffix, for models of ownlm"
    )
    model: str | None = Field(None, min_length=1, description="a server's name for the model; its only one when null")
    api_key_env: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="environment variable that holds the server's key"
    )
    fim_template: str | None = Field(
        None,
        description="a server's own layout of a prompt with a suffix, with {prefix} and {suffix} in it; else `suffix`",
    )
    concurrency: int = Field(8, ge=1, le=256, description="requests a server is sent at the same time")
    attempts: int = Field(6, ge=1, le=100, description="times a request is sent before the server is given up")
    timeout_s: float = Field(300.0, gt=0, description="seconds a server may take for one answer")
    max_wait_s: float = Field(600.0, ge=0, description="seconds a server may ask to wait (Retry-After)")
