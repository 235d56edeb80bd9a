"""Settings of serving. No artifact depends on them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ownlm.recipe.base import Config
from ownlm.serve.feedback import FeedbackConfig
from ownlm.serve.prompt.repository.config import RepositoryConfig

FimOrder = Literal["suffix_first", "prefix_first"]

TORCH_PARALLEL = 16
"""Generations at the same time when the engine computes them in one pass, unless the settings say otherwise."""


class ServeConfig(Config):
    """How the model is served: where, how many requests at once, and what a request may ask for."""

    engine: Literal["ctranslate2", "torch", "http", "llamacpp", "triton"] = Field(
        "ctranslate2", description="what computes the tokens; http, llamacpp and triton are servers"
    )
    engine_url: str = Field("", description="address of the engine's server, e.g. http://127.0.0.1:8000")
    engine_model: str = Field("", description="what the engine's server calls the model; empty: its only or first one")
    engine_key_env: str = Field(
        "OWNLM_ENGINE_KEY", description="environment variable that holds the API key of the engine's server"
    )
    engine_timeout_s: float = Field(
        30.0, description="seconds the engine's server may be silent before it counts as gone", gt=0, le=86_400
    )
    host: str = Field("127.0.0.1", description="address to listen on; other machines reach only what is not loopback")
    port: int = Field(8080, description="port to listen on; 0 picks a free one", ge=0, le=65535)
    allowed_hosts: list[str] = Field(
        [], description="further names clients may call this server by (Host header); loopback names always may"
    )
    device: Literal["cpu", "cuda", "auto"] = Field("auto", description="where the engine runs")
    compute_type: str = Field("default", description="number type the engine computes in; default: as exported")
    prefix_cache_mb: float = Field(
        1024.0,
        description="memory (1e6 bytes) for what was read of earlier prompts; 0: every prompt is read whole",
        ge=0,
    )
    speculation: str = Field(
        "none", description='torch: who guesses tokens: "none", "lookup" (the prompt), or the folder of a smaller model'
    )
    threads: int = Field(0, description="CPU threads of a generation; 0: one for small models, else all", ge=0, le=256)
    parallel: int = Field(1, description="generations at the same time; torch: 16 unless it is said", ge=1, le=64)
    queue: int = Field(32, description="requests that may wait; further ones get 429 and Retry-After", ge=0, le=10_000)
    prompt_tokens: int = Field(
        2048, description="most tokens of a prompt when an editor asks; less is faster", ge=64, le=1_048_576
    )
    repositories: list[RepositoryConfig] = Field(
        [], description="folders whose declarations editors' prompts show; whoever may ask may see them"
    )
    default_tokens: int = Field(64, description="new tokens when a request does not say", ge=1, le=65_536)
    max_tokens: int = Field(
        1024, description="most new tokens of one choice; who asks for more gets this", ge=1, le=65_536
    )
    max_choices: int = Field(8, description="most choices (n) of one prompt", ge=1, le=128)
    max_prompts: int = Field(16, description="most prompts in one request", ge=1, le=1024)
    max_body_mb: float = Field(4.0, description="largest request body, in MB (1e6 bytes)", gt=0, le=256)
    max_header_kb: int = Field(32, description="largest request line and headers, in kB (1000 bytes)", ge=1, le=1000)
    max_connections: int = Field(1000, description="connections at a time; further ones get 503", ge=1, le=100_000)
    deadline_s: float = Field(
        60.0, description="seconds after which what is there is answered, waiting included; 0: never", ge=0, le=86_400
    )
    patience_s: float = Field(
        20.0, description="seconds a client may take to send a request, or to take a piece of its answer", gt=0
    )
    rate: str = Field("", description='most requests of one user, e.g. "120/minute"; empty for no limit')
    supersede: bool = Field(
        True, description="an editor's newer request for a file replaces its user's older one that still waits"
    )
    keys: str = Field("", description="file of API keys (ownlm serve keys); empty for none: loopback only")
    without_keys: bool = Field(False, description="let other machines ask without API keys")
    tls_certificate: str = Field("", description="certificate chain (PEM) to answer by HTTPS; empty for HTTP")
    tls_key: str = Field("", description="private key of the certificate (PEM); empty when it is in the same file")
    feedback: FeedbackConfig | None = Field(
        FeedbackConfig(), description="where completions and events are kept; nowhere when null"
    )
    rollout: str = Field("", description="registry that says which version answers whom: a folder or URL; empty: none")
    channel: str = Field("everyone", description="rollout channel of callers whose API key names none")
    log_prompts: bool = Field(False, description="write prompts and answers to the log: code of people, in the clear")
    fim_order: FimOrder = Field("suffix_first", description="fill-in-the-middle layout when a request does not say")

    @model_validator(mode="before")
    @classmethod
    def _parallel_of_the_engine(cls, values: Any) -> Any:
        """Torch computes many generations in one pass; the others share the processor among them."""
        if isinstance(values, dict) and values.get("engine") == "torch":
            return {"parallel": TORCH_PARALLEL, **values}
        return values
