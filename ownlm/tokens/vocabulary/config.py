"""Settings of the vocabulary stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ownlm.recipe.base import Config
from ownlm.tokens.vocabulary.compare import Rivals


class VocabularyConfig(Config):
    """How the vocabulary is trained. The stage's key depends on every field."""

    size: int = Field(
        4096, description="tokens in all: special tokens, the 256 bytes and the learned ones", ge=300, le=1_048_576
    )
    digits: Literal["single", "triple"] = Field(
        "single", description="digits one by one (the qwen2 pattern) or in groups of up to three (the llama3 pattern)"
    )
    sample_mb: float = Field(
        64.0, description="MB (1e6 bytes) of training documents to learn from, drawn at random by seed", gt=0
    )
    weights: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        {}, description="how much languages count in the sample, e.g. {Python: 2.0, JSON: 0.1}; 1 where there is none"
    )
    reserved: int = Field(19, description="unused special tokens kept for later, after the named ones", ge=0, le=4096)
    seed: int = Field(0, description="seed of the sample", ge=0, lt=2**63)
    compare: Rivals = Field(
        [],
        description="what the report compares with: Hugging Face folders, tokenizer.json, files of tiktoken's ranks",
    )
    compare_size: int | None = Field(
        None,
        description="another size the report compares with, trained on the same sample; by default half of size",
        ge=300,
        le=1_048_576,
    )


class VocabularyStage(Config):
    """What the vocabulary artifact depends on."""

    vocabulary: VocabularyConfig = Field(VocabularyConfig(), description="the recipe's vocabulary block")
    weights: dict[str, float] = Field({}, description="the weights of sources by name; 1 where there is none")
