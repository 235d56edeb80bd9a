"""The body of llama.cpp's POST /infill, as llama.vim and llama.vscode build it.

Fields of its server that mean nothing here are let pass: samplers, cache_prompt (prompts are always reused where the
engine can), n_indent (the end of the scope is found in the text itself, `ownlm.serve.prompt`), lora, id_slot.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.protocols.body import EDITOR_STOPS, Lenient, Stop


class ExtraText(Lenient):
    """Code from elsewhere: what the editor showed lately."""

    text: str
    filename: str | None = None


class InfillRequest(Lenient):
    """POST /infill. `prompt` is the text between `input_prefix` and the cursor."""

    input_prefix: str
    input_suffix: str
    prompt: str | None = None
    input_extra: list[ExtraText] | None = None
    n_predict: int | None = Field(None, ge=-2, lt=2**31, description="0 is a warm-up; below 0, as many as may be")
    t_max_prompt_ms: int | None = Field(None, ge=-1, lt=2**31)
    t_max_predict_ms: int | None = Field(None, ge=-1, lt=2**31)
    temperature: float | None = Field(None, ge=0, le=100)
    top_k: int | None = Field(None, ge=-1, lt=2**31)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-1, lt=2**63)
    stop: Annotated[list[Stop], Field(max_length=EDITOR_STOPS)] | None = None
    stream: bool | None = None
    response_fields: list[str] | None = None
    model: str | None = None

    @property
    def warm_up(self) -> bool:
        """Nothing is to be said: the editor shows what it may soon ask about."""
        return self.n_predict == 0

    def context(self) -> CodeContext:
        """The code it is about. Neither its path nor its language is told."""
        extra = tuple(Snippet(one.filename or "", one.text, "opened") for one in self.input_extra or ())
        return CodeContext(prefix=self.input_prefix + (self.prompt or ""), suffix=self.input_suffix, snippets=extra)

    def deadline_s(self) -> float | None:
        """Seconds for prompt and text together; None unless both are bounded."""
        prompt, predict = self.t_max_prompt_ms or 0, self.t_max_predict_ms or 0
        return (prompt + predict) / 1000 if prompt > 0 and predict > 0 else None
