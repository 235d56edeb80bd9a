"""Settings of grading by likelihood. Light to import: a recipe names it."""

from __future__ import annotations

from pydantic import Field

from ownlm.recipe.base import Config


class LikelihoodSettings(Config):
    """How sure the model is of a right answer, beside answers that are wrong: a signal where pass@1 is still 0."""

    others: int = Field(4, ge=0, le=100, description="wrong answers a problem: references of other problems")
    mutations: int = Field(4, ge=0, le=100, description="wrong answers a problem: its reference, changed in one place")
    seed: int = Field(0, ge=0, lt=2**63, description="which wrong answers are taken")
