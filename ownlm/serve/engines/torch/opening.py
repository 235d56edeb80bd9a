"""The torch engine of a model's folder: which weights, computed in what, with whose guesses.

a train artifact            model.json, model.safetensors
a Hugging Face folder       config.json, *.safetensors
another form of an export   the Hugging Face folder beside it
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import torch

from ownlm.errors import ArtifactError, ServerError
from ownlm.model.decoder import Decoder
from ownlm.model.huggingface import load_huggingface
from ownlm.model.load import ARCHITECTURE_FILE, load_model
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.torch.attention import Part
from ownlm.serve.engines.torch.drafting import Drafter, DraftModel, PromptLookup
from ownlm.serve.engines.torch.engine import TorchEngine
from ownlm.serve.engines.torch.network import Network, Precision

HUGGINGFACE = "huggingface"

SMALL_PARAMETERS = 16_000_000
"""Below this, a step is too short to be worth waking a second thread for."""

DRAFT_SHARE = 4
"""A draft model remembers texts in one part in so many of the memory."""


def open_torch(folder: Path, config: ServeConfig) -> TorchEngine:
    """The engine on the weights of `folder`.

    Raises:
        ArtifactError: there are no weights, they are damaged, or the draft model has another vocabulary.
        ServerError: it cannot compute this model, or not so.
    """
    # In a thread that ends: OpenMP keeps a pool for each thread that ever computed, and with more of its threads than
    # cores they sleep between products. A token of 111M int8 weights then took 33 ms, not 21.
    with ThreadPoolExecutor(1, thread_name_prefix="open") as pool:
        return pool.submit(_opened, folder, config).result()


def _opened(folder: Path, config: ServeConfig) -> TorchEngine:
    device = _device(config)
    decoder = load_decoder(folder)
    architecture = decoder.architecture
    network = Network(decoder, _precision(config), device)
    del decoder
    memory = int(config.prefix_cache_mb * 1e6)
    engine = TorchEngine(
        network,
        _drafter(config, architecture.vocab_size, device, memory // DRAFT_SHARE),
        memory=memory,
        threads=config.threads or _threads(architecture.parameters),
    )
    network.forward([Part([0], 0, network.room(1), 1)])  # the first call of a product is slow
    return engine


def load_decoder(folder: Path) -> Decoder:
    """The decoder of a folder of any kind this engine reads.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    if (folder / ARCHITECTURE_FILE).is_file():
        return load_model(folder)
    for place in (folder, folder / HUGGINGFACE, folder.parent / HUGGINGFACE):
        if (place / "config.json").is_file() and any(place.glob("*.safetensors")):
            return load_huggingface(place)
    raise ArtifactError(
        "the torch engine finds no weights here",
        where=folder,
        advice="add huggingface to the recipe's export, or serve by another engine (serve.engine=ctranslate2)",
    )


def _drafter(config: ServeConfig, vocabulary: int, device: str, memory: int) -> Drafter | None:
    match config.speculation:
        case "none":
            return None
        case "lookup":
            return PromptLookup()
        case folder:
            decoder = load_decoder(Path(folder).expanduser())
            if decoder.architecture.vocab_size != vocabulary:
                raise ArtifactError(
                    f"the draft model knows {decoder.architecture.vocab_size} tokens, the served one {vocabulary}",
                    where=folder,
                    advice="set serve.speculation to a smaller model trained with the same vocabulary, or to lookup",
                )
            return DraftModel(Network(decoder, _precision(config), device), memory)


def _precision(config: ServeConfig) -> Precision:
    name = "float32" if config.compute_type == "default" else config.compute_type
    if name not in get_args(Precision):
        raise ServerError(
            f"the torch engine does not compute in {name!r}",
            where="serve.compute_type",
            advice=f"take one of: default, {', '.join(get_args(Precision))}",
        )
    return name  # type: ignore[return-value]


def _device(config: ServeConfig) -> str:
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise ServerError(
            "torch finds no CUDA device", where="serve.device", advice="set serve.device=cpu, or check the driver"
        )
    return "cuda" if there and config.device != "cpu" else "cpu"


def _threads(parameters: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if parameters < SMALL_PARAMETERS else cores
