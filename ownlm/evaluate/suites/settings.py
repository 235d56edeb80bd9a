"""What can be set of a suite. Light to import: a recipe names it."""

from __future__ import annotations

from pydantic import Field

from ownlm.recipe.base import Config


class SuiteSettings(Config):
    """Where a benchmark's data is and what of it is asked."""

    path: str | None = Field(
        None, min_length=1, description="file or folder in the benchmark's public format; its own place when null"
    )
    dataset: str | None = Field(
        None, pattern=r"^[\w.-]+/[\w.-]+$", description="data set on the Hugging Face hub, as OWNER/NAME, when no path"
    )
    revision: str = Field("main", min_length=1, description="branch, tag or commit of that data set")
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^/@\s]+", description="the hub's address; HF_ENDPOINT or huggingface.co when null"
    )
    files: str | None = Field(
        None, min_length=1, description="glob pattern of the files to read; the benchmark's own names when null"
    )
    languages: list[str] | None = Field(None, min_length=1, description="languages asked; all there are when null")
    limit: int | None = Field(None, ge=1, description="at most so many problems of each language, the first ones")
