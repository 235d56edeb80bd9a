"""Settings of evaluation. Light to import: no torch, no numpy."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ownlm.evaluate.company.config import HiddenBlocks, HiddenBodies, HiddenLines, RepositoryTests
from ownlm.evaluate.likelihood_settings import LikelihoodSettings
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.recipe.base import Config, PartsConfig


class BitsPerByte(Config):
    """How well the model predicts held-out code: bits it needs for a byte of it."""

    max_tokens: int = Field(
        100_000, ge=100, description="tokens scored of each held-out split, whole documents by hash"
    )
    document_tokens: int = Field(8_192, ge=16, description="tokens scored of one document at most: its first ones")
    overlap: float = Field(
        0.25, ge=0, le=0.95, description="part of each window that repeats the one before, as context for the rest"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="which documents are taken")


class Ngram(Config):
    """The rival that needs no training: counts of token sequences in the training split (modified Kneser-Ney)."""

    order: int = Field(5, ge=1, le=12, description="tokens in a counted sequence")
    max_tokens: int = Field(20_000_000, ge=1, description="training tokens counted, whole documents by hash")


class SuiteRun(SuiteSettings):
    """A suite whose answers are run: its data, and how the model is asked."""

    samples: int = Field(1, ge=1, le=10_000, description="answers to each problem")
    temperature: float = Field(
        0.0, ge=0, le=2, description="0 takes the likeliest token, so one sample is all there is"
    )
    top_p: float = Field(1.0, gt=0, le=1, description="sample among the likeliest tokens that reach this probability")
    k: list[int] = Field([1], min_length=1, description="pass@k: at least one of k answers is right; at most `samples`")
    max_tokens: int | None = Field(None, ge=1, le=100_000, description="tokens of an answer; the suite's own when null")
    seed: int = Field(0, ge=0, lt=2**63, description="of the answers and of the intervals")

    @model_validator(mode="after")
    def _can_be_told(self) -> SuiteRun:
        if min(self.k) < 1 or max(self.k) > self.samples:
            raise ValueError(
                f"pass@{max(self.k)} needs at least {max(self.k)} samples of each problem, and k at least 1"
            )
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("several samples are all the same at temperature 0: set a higher one, e.g. 0.2 or 0.8")
        return self


class EvaluateConfig(PartsConfig):
    """The recipe's `evaluate` block: suites that are on unless they are null, or a list of those that are on."""

    parts: ClassVar[tuple[str, ...]] = (
        "bits_per_byte",
        "hidden_lines",
        "hidden_blocks",
        "hidden_bodies",
        "repository_tests",
        "suites",
    )
    unless_set: ClassVar[tuple[str, ...]] = (
        "hidden_blocks",
        "hidden_bodies",
        "repository_tests",
        "suites",
        "likelihood",
        "unsafe",
    )
    """Settings that came later: left out of what is saved and keyed while nobody set them."""

    bits_per_byte: BitsPerByte | None = Field(BitsPerByte(), description="bits per byte of held-out code")
    hidden_lines: HiddenLines | None = Field(HiddenLines(), description="single lines hidden in held-out files")
    hidden_blocks: HiddenBlocks | None = Field(
        None, description="insides of ifs, loops, tries hidden in held-out files"
    )
    hidden_bodies: HiddenBodies | None = Field(None, description="function bodies hidden in held-out files")
    repository_tests: RepositoryTests | None = Field(
        None, description="function bodies judged by the tests of the repository they are from"
    )
    suites: dict[str, SuiteRun] | None = Field(
        None, min_length=1, description="benchmarks whose answers are run in a sandbox, as {suite: {settings}}"
    )
    likelihood: LikelihoodSettings | None = Field(
        None, description="problems of the suites graded by likelihood too, where they have references"
    )
    unsafe: bool = Field(False, description="run answers also where this machine cannot contain them")
    ngram: Ngram = Field(Ngram(), description="the n-gram rival every figure stands beside")
    batch: int = Field(32, ge=1, le=4096, description="windows or questions in one forward pass")

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        fields = type(self).model_fields
        unset = {name for name in self.unless_set if getattr(self, name) == fields[name].default}
        return {name: value for name, value in values.items() if name not in unset}


class EvaluateStage(Config):
    """Everything the figures depend on, beside the model, the shards and the vocabulary."""

    evaluate: EvaluateConfig = Field(EvaluateConfig(), description="suites and the rival")
