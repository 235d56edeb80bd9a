"""The engine a configuration names, opened on a model's folder. One line an engine."""

from __future__ import annotations

from pathlib import Path

from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import Engine


def open_engine(folder: Path, config: ServeConfig) -> Engine:
    """The engine of `config.engine` on `folder`.

    Raises:
        DependencyError: its package is missing.
        ArtifactError: the folder is incomplete or damaged.
        ServerError: it refuses its settings, or does not answer.
    """
    match config.engine:
        case "ctranslate2":
            from ownlm.serve.engines.ctranslate2 import Ctranslate2Engine

            return Ctranslate2Engine(folder, config)
        case "torch":
            from ownlm.serve.engines.torch.opening import open_torch

            return open_torch(folder, config)
        case "http":
            from ownlm.serve.engines.http import HttpEngine

            return HttpEngine(folder, config)
        case "llamacpp":
            from ownlm.serve.engines.llamacpp import LlamaCppEngine

            return LlamaCppEngine(folder, config)
        case "triton":
            from ownlm.serve.engines.triton import TritonEngine

            return TritonEngine(folder, config)
