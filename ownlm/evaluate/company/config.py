"""Settings of held-out company code. Light to import: no torch, no numpy."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from ownlm.recipe.base import Config

LANGUAGES = frozenset({
    "C", "C#", "C++", "Go", "Java", "JavaScript", "Kotlin", "Lua", "PHP", "Perl", "Python", "Ruby", "Rust", "Scala",
    "Shell", "Swift", "TSX", "TypeScript",
})  # fmt: skip
"""Those whose blocks and functions are found, by tree-sitter grammars."""

Order = Literal["suffix_first", "prefix_first", "left_to_right"]


class HiddenLines(Config):
    """How often the model writes a hidden line of held-out code exactly as its author did."""

    lines: int = Field(250, ge=1, le=100_000, description="lines hidden, one at a time, spread over all held-out files")
    order: Order = Field(
        "suffix_first", description="layout of the question; left_to_right hides the text after the line"
    )
    min_characters: int = Field(8, ge=1, description="shorter lines are not asked")
    max_tokens: int = Field(64, ge=1, description="tokens the model may write for a line")
    suffix_share: float = Field(0.25, ge=0, le=0.9, description="part of the context given to the text after the line")
    examples: int = Field(10, ge=0, le=1000, description="lines shown on the report, chosen by hash, not by success")
    seed: int = Field(0, ge=0, lt=2**63, description="which lines are taken")


class HiddenRegions(Config):
    """Several lines of held-out code, hidden together."""

    count: int = Field(100, ge=1, le=100_000, description="how many are hidden, one at a time, over all held-out files")
    order: Order = Field("suffix_first", description="layout of the question")
    min_lines: int = Field(1, ge=1, description="those of fewer lines are not asked")
    max_lines: int = Field(30, ge=1, description="those of more lines are not asked")
    max_tokens: int = Field(384, ge=1, description="tokens the model may write, at most half of its context")
    suffix_share: float = Field(0.25, ge=0, le=0.9, description="part of the context given to the text after it")
    examples: int = Field(5, ge=0, le=1000, description="how many the report shows, chosen by hash, not by success")
    seed: int = Field(0, ge=0, lt=2**63, description="which ones are taken")


class HiddenBlocks(HiddenRegions):
    """How well the model writes the inside of an if, a loop, a try of held-out code."""

    min_lines: int = Field(2, ge=1, description="blocks of fewer lines are not asked")
    max_lines: int = Field(15, ge=1, description="blocks of more lines are not asked")
    max_tokens: int = Field(256, ge=1, description="tokens the model may write, at most half of its context")


class HiddenBodies(HiddenRegions):
    """How well the model writes a function of held-out code from its head and documentation."""


class Repository(Config):
    """A checkout whose own tests judge the bodies a model writes for its functions."""

    command: list[str] = Field(
        min_length=1, description="runs all tests in the checkout's folder, e.g. [python, -m, pytest, -q, tests]"
    )
    path: str | None = Field(None, description="the checkout's folder, when it is not the name")
    language: str = Field("Python", description="whose functions are hidden (Linguist's name, or in small letters)")
    tests_ran: str | None = Field(
        None,
        description="regular expression over the output; its first group is how many tests ran; pytest needs none",
    )
    cpu_seconds: float = Field(60.0, gt=0, le=3600, description="CPU time of one run of the tests")
    memory_mb: int = Field(1024, ge=16, le=1 << 20, description="memory of one run of the tests")

    @property
    def is_pytest(self) -> bool:
        """Is the command pytest, which tells us itself which tests ran?"""
        return "pytest" in self.command

    @property
    def linguist(self) -> str:
        """The language's name as grammars have it."""
        return next(name for name in LANGUAGES if name.lower() == self.language.lower())

    @model_validator(mode="after")
    def _can_be_judged(self) -> Repository:
        if self.language.lower() not in {name.lower() for name in LANGUAGES}:
            raise ValueError(f"functions are known in {', '.join(sorted(LANGUAGES))}, not in {self.language!r}")
        if not self.is_pytest and (self.tests_ran is None or re.compile(self.tests_ran).groups < 1):
            raise ValueError("say by tests_ran, a regular expression with a group, where the output tells how many ran")
        return self


class RepositoryTests(Config):
    """How often a function body the model wrote passes the tests of the repository it is from."""

    repositories: dict[str, Repository] = Field(
        min_length=1, description="{path, or name of a held-out repository: {command: [...]}}"
    )
    functions: int = Field(20, ge=1, le=10_000, description="functions of each repository, by hash")
    order: Order = Field("suffix_first", description="layout of the question")
    max_lines: int = Field(30, ge=1, description="bodies of more lines are not asked")
    max_tokens: int = Field(384, ge=1, description="tokens the model may write, at most half of its context")
    suffix_share: float = Field(0.25, ge=0, le=0.9, description="part of the context given to the text after the body")
    seed: int = Field(0, ge=0, lt=2**63, description="which functions are taken")
