"""ownlm.json, the same in every form of a model: what serving must know of it and its files do not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ownlm.errors import StorageError
from ownlm.model.config import Architecture
from ownlm.tokens.vocabulary.load import Vocabulary

DESCRIPTION = "ownlm.json"
FORMAT = 1


def describe(
    architecture: Architecture,
    vocabulary: Vocabulary,
    quantization: str,
    *,
    fill_in_the_middle: bool,
    packed: Mapping[str, JsonValue] | None = None,
) -> dict[str, Any]:
    """The content of ownlm.json.

    Args:
        architecture: of the model.
        vocabulary: its own.
        quantization: how weights are stored.
        fill_in_the_middle: the model was trained to fill in the middle.
        packed: `pack` and `repository_names` of the shards it was trained on: prompts show other files as it has seen
            them. None or empty for single documents.
    """
    special = vocabulary.special
    named = special.names[: special.names.index("<|sentinel_0|>")]
    return {
        "format": FORMAT,
        "name": f"ownlm-{short_count(architecture.parameters)}",
        "family": architecture.family,
        "architecture": architecture.to_json(),
        "parameters": architecture.parameters,
        "context": architecture.context,
        "quantization": quantization,
        "fill_in_the_middle": fill_in_the_middle,
        "special_tokens": {name: index for index, name in enumerate(named)},
        "special_token_count": special.count,
        "vocabulary": {"size": vocabulary.size, "sha256": vocabulary.content},
        **(packed or {}),
    }


def short_count(parameters: int) -> str:
    """2612352 -> "2.6m", 135000000 -> "135m", 1700000000 -> "1.7b"."""
    for limit, letter in ((10**9, "b"), (10**6, "m"), (10**3, "k")):
        if parameters >= limit:
            value = parameters / limit
            return f"{value:.0f}{letter}" if value >= 10 else f"{value:.1f}{letter}"
    return str(parameters)


def write_description(folder: Path, described: Mapping[str, Any]) -> None:
    """Write ownlm.json into `folder`."""
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def unwritable(form: str, folder: Path, error: OSError) -> StorageError:
    """What to tell when the folder of a form cannot be written."""
    return StorageError(
        f"The {form} folder cannot be written ({error.strerror or error}).",
        where=folder,
        advice="Free disk space or make the folder writable, then run the same command again.",
    )
