"""A model from what lies on a disk: which kind of folder it is, and the engine that computes it.

    train artifact, checkpoint, Hugging Face folder ─► decoder ─► torch, batched          (engine: auto, torch)
                                                          └─────► a passing CTranslate2 folder  (engine: ctranslate2)
    CTranslate2 folder ─────────────────────────────────────────► CTranslate2, a request a thread

torch is the default although CTranslate2 serves: it draws seeded samples in batches (docs/models.md), and it
computes every family.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from ownlm.errors import EvaluationError, OwnlmError
from ownlm.evaluate.models.local import Language, LocalModel
from ownlm.evaluate.models.settings import ModelSettings
from ownlm.evaluate.models.trained import UNTRAINED, Trained, load_artifact, load_checkpoint
from ownlm.model.decoder import Decoder
from ownlm.model.load import ARCHITECTURE_FILE
from ownlm.pipeline.artifact import sha256_file
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.one_by_one import OneByOne
from ownlm.serve.engines.torch.batches import TorchBatchEngine
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.checkpoint.description import DESCRIPTION as CHECKPOINT
from ownlm.train.checkpoint.place import step_of

EXACT_PARAMETERS = 400_000_000
"""Models of at most so many parameters are computed in float64 unless told otherwise."""

HUGGINGFACE, CTRANSLATE2 = "huggingface", "ctranslate2"
_PRECISIONS = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}


def open_folder(folder: Path, settings: ModelSettings) -> LocalModel:
    """The model in a folder of any kind we know.

    An export artifact holds a Hugging Face folder and a CTranslate2 one: the first is taken, unless the engine asked
    for is ctranslate2. Name the inner folder to say which.

    Raises:
        EvaluationError: nothing in it is a model we can open.
        ArtifactError: it is damaged.
    """
    if (folder / CHECKPOINT).is_file():
        return of_weights(load_checkpoint(folder, settings), settings)
    if (folder / ARCHITECTURE_FILE).is_file():
        return of_weights(load_artifact(folder, settings), settings)
    inner = [name for name in (HUGGINGFACE, CTRANSLATE2) if (folder / name).is_dir()]
    if inner and not (folder / "config.json").is_file():
        wanted = CTRANSLATE2 if settings.engine == CTRANSLATE2 else inner[0]
        if wanted in inner:
            return open_folder(folder / wanted, settings)
    if (folder / "model.bin").is_file() and (folder / "vocabulary.json").is_file():
        return of_ctranslate2(folder, settings)
    if (folder / "config.json").is_file():
        return of_weights(_huggingface(folder, settings), settings)
    step = " It is named like a checkpoint, but has no checkpoint.json." if step_of(folder.name) is not None else ""
    raise EvaluationError(
        f"There is no model in this folder.{step}",
        where=folder,
        advice="name a train artifact, a checkpoint (.../step-N), an exported folder, a recipe, a run, or a server",
    )


def of_weights(trained: Trained, settings: ModelSettings) -> LocalModel:
    """A decoder on the engine asked for."""
    if settings.engine == CTRANSLATE2:
        return _converted(trained, settings)
    vocabulary = Vocabulary.load(trained.vocabulary)
    decoder, device = trained.decoder, _device(settings)
    if decoder.architecture.vocab_size < vocabulary.size:
        raise EvaluationError(
            f"The model knows {decoder.architecture.vocab_size} tokens, the vocabulary has {vocabulary.size}.",
            where=trained.vocabulary,
            advice="name the vocabulary the model was trained with",
        )
    precision = _precision(decoder, settings)
    decoder = decoder.to(device, _PRECISIONS[precision])
    identity = trained.identity | {
        "vocabulary": vocabulary.content,
        "engine": f"torch {torch.__version__}",
        "precision": precision,
        "device": device,
    }
    return LocalModel(
        settings.name or trained.name,
        identity,
        _language(vocabulary, decoder.architecture.context, decoder.architecture.vocab_size, trained.fills, settings),
        TorchBatchEngine(decoder, settings.batch),
    )


def of_ctranslate2(folder: Path, settings: ModelSettings, name: str | None = None) -> LocalModel:
    """The model of a CTranslate2 folder that our export wrote.

    Raises:
        EvaluationError: torch was asked for, or the folder is not one of ours.
    """
    import ctranslate2

    from ownlm.serve.model import DESCRIPTION_FILE, load_folder

    if settings.engine == "torch":
        raise EvaluationError(
            "torch cannot compute a CTranslate2 folder.", where=folder, advice="name the huggingface folder beside it"
        )
    if not (folder / DESCRIPTION_FILE).is_file():
        raise EvaluationError(
            f"This CTranslate2 folder has no {DESCRIPTION_FILE}: it is not one of ownlm's.",
            where=folder,
            advice="export the model by ownlm, or serve it and name the server's address",
        )
    threads = settings.threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    config = ServeConfig(device=settings.device, parallel=min(64, threads), prefix_cache_mb=0)  # the same shapes always
    served = load_folder(folder, config, settings.name or name)
    identity = {
        "kind": "CTranslate2 folder",
        "weights": sha256_file(folder / "model.bin"),
        "vocabulary": served.vocabulary.content,
        "engine": f"ctranslate2 {ctranslate2.__version__}",
        "precision": "as exported",
        "device": settings.device,
    }
    fills = "" if served.fill_in_the_middle else UNTRAINED
    language = _language(served.vocabulary, served.context, served.vocabulary.size, fills, settings)
    return LocalModel(served.name, identity, language, OneByOne(served.engine, threads))


def _huggingface(folder: Path, settings: ModelSettings) -> Trained:
    from ownlm.model.huggingface import load_huggingface

    decoder = load_huggingface(folder)
    files = sorted(folder.glob("*.safetensors"))
    weights = sha256_file(files[0]) if len(files) == 1 else " ".join(sha256_file(file) for file in files)
    name = folder.parent.name if folder.name == HUGGINGFACE else folder.name
    vocabulary = Path(settings.vocabulary) if settings.vocabulary else folder
    return Trained(name, decoder, vocabulary, "", {"kind": "Hugging Face folder", "weights": weights})


def _converted(trained: Trained, settings: ModelSettings) -> LocalModel:
    """By way of a folder that is gone once the engine has read it."""
    from ownlm.export.ctranslate2 import write_ctranslate2
    from ownlm.export.description import Description
    from ownlm.export.huggingface import quiet_transformers, write_huggingface

    vocabulary = Vocabulary.load(trained.vocabulary)
    described = Description(trained.decoder.architecture, vocabulary, not trained.fills)
    with tempfile.TemporaryDirectory(prefix="ownlm-evaluate-") as scratch, quiet_transformers():
        written = write_huggingface(trained.decoder, trained.vocabulary, Path(scratch))
        try:
            folder = write_ctranslate2(written, Path(scratch), "float32", described)
        except OwnlmError as error:
            raise EvaluationError(error.what, where=trained.name, advice="set engine to torch") from error
        model = of_ctranslate2(folder, settings, trained.name)
    return LocalModel(model.name, {**model.identity, **trained.identity}, *model.parts)


def _language(vocabulary: Vocabulary, context: int, size: int, fills: str, settings: ModelSettings) -> Language:
    # Rows of the embedding past the vocabulary stand for nothing either.
    stops = frozenset([*range(vocabulary.special.count), *range(vocabulary.size, size)])
    return Language(vocabulary, context, fills, settings.fim_order, stops)


def _device(settings: ModelSettings) -> str:
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise EvaluationError("There is no GPU that torch can use here.", advice="set device to cpu or auto")
    return "cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu"


def _precision(decoder: Decoder, settings: ModelSettings) -> str:
    if settings.precision != "auto":
        return settings.precision
    return "float64" if decoder.architecture.parameters <= EXACT_PARAMETERS else "float32"
