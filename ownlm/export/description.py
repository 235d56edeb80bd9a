"""ownlm.json, the same in every form of a model: what serving must know of it and its files do not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ownlm.errors import StorageError
from ownlm.model.config import Architecture
from ownlm.tokens.vocabulary.load import Vocabulary

DESCRIPTION = "ownlm.json"
FORMAT = 1


@dataclass(frozen=True)
class Description:
    """What ownlm.json says of a model; how its weights are stored is said by each form.

    Attributes:
        architecture: of the model.
        vocabulary: its own.
        fill_in_the_middle: the model was trained to fill in the middle.
        packed: `pack` and `repository_names` of the shards it was trained on: prompts show other files as it has seen
            them. Empty for single documents.
    """

    architecture: Architecture
    vocabulary: Vocabulary
    fill_in_the_middle: bool
    packed: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the model, by its size."""
        return f"ownlm-{short_count(self.architecture.parameters)}"

    def of(self, quantization: str) -> dict[str, Any]:
        """The content of ownlm.json, of a form whose weights are stored so."""
        special = self.vocabulary.special
        named = special.names[: special.names.index("<|sentinel_0|>")]
        return {
            "format": FORMAT,
            "name": self.name,
            "family": self.architecture.family,
            "architecture": self.architecture.to_json(),
            "parameters": self.architecture.parameters,
            "context": self.architecture.context,
            "quantization": quantization,
            "fill_in_the_middle": self.fill_in_the_middle,
            "special_tokens": {name: index for index, name in enumerate(named)},
            "special_token_count": special.count,
            "vocabulary": {"size": self.vocabulary.size, "sha256": self.vocabulary.content},
            **self.packed,
        }

    def write(self, folder: Path, quantization: str) -> None:
        """Write ownlm.json into `folder`."""
        (folder / DESCRIPTION).write_text(json.dumps(self.of(quantization), indent=1) + "\n", encoding="utf-8")


def short_count(parameters: int) -> str:
    """2612352 -> "2.6m", 135000000 -> "135m", 1700000000 -> "1.7b"."""
    for limit, letter in ((10**9, "b"), (10**6, "m"), (10**3, "k")):
        if parameters >= limit:
            value = parameters / limit
            return f"{value:.0f}{letter}" if value >= 10 else f"{value:.1f}{letter}"
    return str(parameters)


def unwritable(form: str, folder: Path, error: OSError) -> StorageError:
    """What to tell when the folder of a form cannot be written."""
    return StorageError(
        f"The {form} folder cannot be written ({error.strerror or error}).",
        where=folder,
        advice="Free disk space or make the folder writable, then run the same command again.",
    )
