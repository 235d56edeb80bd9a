"""Settings of the shards stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ownlm.errors import RecipeError
from ownlm.recipe.base import Config
from ownlm.tokens.shards.storage import checked_url


def _store(url: str) -> str:
    try:
        return checked_url(url)
    except RecipeError as error:
        raise ValueError(error.what.rstrip(".")) from None


class ShardsConfig(Config):
    """How documents become token files, and how long a sample is."""

    context: int = Field(256, description="tokens a model sees at once; a sample is context + 1", ge=8, le=1_048_576)
    shard_mb: float = Field(
        256.0, description="MB (1e6 bytes) at which a shard file ends, after a whole document", gt=0
    )
    format: Literal["tokens", "mds"] = Field(
        "tokens", description="tokens: bare ids, memory-mapped; mds: what MosaicML Streaming reads, too"
    )
    pack: Literal["documents", "repositories"] = Field(
        "documents",
        description="documents: each sees itself only; repositories: the files of one in the order of their imports, "
        "each sees those before it",
    )
    repository_mb: float = Field(
        1.0, description="repositories: MB of text after which one goes on as if it were another, its names again", gt=0
    )
    repository_names: float = Field(
        0.5, description="repositories: share of the stretches that say the repository's name and the paths", ge=0, le=1
    )
    compression: Literal["none", "zstd"] = Field(
        "none", description="of mds: zstd takes less room; read through the cache, decompressed there"
    )
    store: Annotated[str, AfterValidator(_store)] | None = Field(
        None,
        description="where the shards are put instead of the artifact's folder, e.g. s3://bucket/folder; credentials "
        "from the environment",
    )

    @model_validator(mode="after")
    def _only_mds_is_compressed(self) -> ShardsConfig:
        if self.compression != "none" and self.format != "mds":
            raise ValueError("compression is for format mds: token files are read where they lie")
        return self


class ShardsStage(Config):
    """What the shards artifact depends on."""

    shards: ShardsConfig = Field(ShardsConfig(), description="the recipe's shards block")
    weights: dict[str, float] = Field({}, description="the weights of sources by name; 1 where there is none")


class LoaderConfig(Config):
    """What makes the batches of a training run; never what is in them."""

    workers: Annotated[int, Field(ge=0, le=256)] | Literal["thread"] = Field(
        "thread", description="thread: one beside training; 0: training itself; 1 and more: so many processes"
    )
    ahead: int = Field(4, description="batches made before they are needed", ge=1, le=1024)
