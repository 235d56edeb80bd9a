"""Opens what CTranslate2's converter wrote: the model on its device, and its vocabulary."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ownlm.errors import ArtifactError, DependencyError, ServerError
from ownlm.model.architecture import Architecture
from ownlm.serve.config import ServeConfig

SMALL_MODEL_BYTES = 64 * 2**20
"""Below this, a step is too short to be worth waking a second thread for: one thread decodes several times faster."""

_REMAKE = "export the model again: delete this artifact and run the same command"


def read_vocabulary(path: Path) -> list[str]:
    """Tokens by their ids, as CTranslate2 names them.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    file = path / "vocabulary.json"
    try:
        tokens = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ValueError("a list of strings is expected")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the engine's vocabulary cannot be read: {error}", where=file, advice=_REMAKE) from error
    return tokens


def bytes_of_a_position(path: Path) -> int:
    """Of the keys and values CTranslate2 keeps of a token, in float32; 0 when the folder does not say."""
    try:
        described = json.loads((path / "ownlm.json").read_text(encoding="utf-8"))["architecture"]
        architecture = Architecture.from_json(described)
    except (OSError, ValueError, LookupError, TypeError, ArtifactError):
        return 0
    return 2 * 4 * architecture.layers * architecture.kv_heads * architecture.head_width


def open_generator(path: Path, config: ServeConfig) -> Any:
    """The folder's model, opened.

    Raises:
        DependencyError, ArtifactError, ServerError: see `Ctranslate2Engine`.
    """
    try:
        import ctranslate2
    except ImportError as error:
        raise DependencyError(
            "the ctranslate2 package is not installed", advice="install it: pip install 'ownlm[serve]'"
        ) from error
    model = path / "model.bin"
    if not model.is_file():
        raise ArtifactError("there is no model here", where=model, advice=_REMAKE)
    try:
        return ctranslate2.Generator(
            str(path),
            device=config.device,
            compute_type=config.compute_type,
            inter_threads=config.parallel,
            intra_threads=config.threads or _threads(model.stat().st_size, config.parallel),
        )
    except ValueError as error:  # an unknown device or number type
        raise ServerError(
            f"the engine refuses its settings: {error}", advice="change serve.device or serve.compute_type"
        ) from error
    except RuntimeError as error:
        raise ArtifactError(f"the model cannot be loaded: {error}", where=model, advice=_REMAKE) from error


def _threads(model_bytes: int, parallel: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if model_bytes < SMALL_MODEL_BYTES else max(1, cores // parallel)
