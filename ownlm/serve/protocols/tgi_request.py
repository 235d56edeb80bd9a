"""What clients of Hugging Face's Text Generation Inference send: llm-ls, `huggingface_hub`, `text-generation`.

The protocol has no suffix: an editor's client (llm-ls) writes the markers of fill-in-the-middle into the text itself.
Text of exactly the form prefix marker, prefix, suffix marker, suffix, middle marker is taken apart again, and laid out
as the gateway lays out everything else.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ownlm.serve.call import CodeContext
from ownlm.serve.protocols.body import Lenient, Stop

MOST_STOPS = 16
DEFAULT_NEW_TOKENS = 100
"""TGI's own."""

FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"


class GenerateParameters(Lenient):
    """How to continue. Penalties, grammars and watermarks are let pass."""

    max_new_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, lt=2**31)
    do_sample: bool | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None
    stop_tokens: Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = None  # older llm-ls's word for it
    return_full_text: bool | None = None
    details: bool | None = None

    def sampling_temperature(self) -> float:
        """0 unless sampling is asked for, by its name or by any setting of it, as TGI takes them."""
        asked = self.do_sample or self.temperature not in (None, 1.0) or self.top_k or self.top_p not in (None, 1.0)
        if not asked:
            return 0.0
        return 1.0 if self.temperature is None else self.temperature


class GenerateRequest(Lenient):
    """POST /generate, POST /generate_stream and POST /tgi."""

    inputs: str
    parameters: GenerateParameters | None = None
    stream: bool | None = Field(None, description="looked at on POST /tgi only")

    @property
    def asked(self) -> GenerateParameters:
        """The parameters, all of them left out where there are none."""
        return self.parameters or GenerateParameters()

    def context(self) -> CodeContext:
        """The text; with a cursor in it where it holds the markers."""
        text = self.inputs
        if text.startswith(FIM_PREFIX) and text.endswith(FIM_MIDDLE) and text.count(FIM_SUFFIX) == 1:
            prefix, suffix = text.removeprefix(FIM_PREFIX).removesuffix(FIM_MIDDLE).split(FIM_SUFFIX)
            return CodeContext(prefix, suffix)
        return CodeContext(text)
