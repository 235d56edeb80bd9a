"""Settings of repositories whose declarations are shown to the model."""

from __future__ import annotations

from pydantic import Field

from ownlm.recipe.base import Config


class RepositoryConfig(Config):
    """A folder people work in; whoever may ask the gateway may see its declarations in completions."""

    path: str = Field(min_length=1, description="the folder, ~ allowed; what git would ignore is left out")
    url: str = Field("", description='its address as editors say it; "": of requests that name no repository')
