"""Weights that training left: a train artifact, or one of its checkpoints, with the vocabulary they were trained with.

    train-KEY/        model.json, model.safetensors, manifest.json (names the vocabulary's artifact beside it)
    .../step-N/       checkpoint.json, tensors; the run's log/run.json is above it or in the home folder

A checkpoint of a run that keeps a mean of its weights is measured by that mean, as the finished model will be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ownlm.errors import ArtifactError, EvaluationError
from ownlm.evaluate.models.settings import ModelSettings
from ownlm.export.run import fills_in
from ownlm.model.decoder import Decoder
from ownlm.model.load import WEIGHTS_FILE, load_model, put_weights
from ownlm.pipeline.artifact import MANIFEST, Artifact, read_artifact, sha256_file
from ownlm.pipeline.store import Store
from ownlm.recipe.base import local_path
from ownlm.train.checkpoint import open_checkpoint
from ownlm.train.config import TrainStage
from ownlm.train.spikes.records import RUN, read_run

UNTRAINED = "it was not trained to (objectives.fill_in_the_middle)"


@dataclass(frozen=True)
class Trained:
    """A decoder and what belongs to it.

    Attributes:
        name: as tables call it, unless told otherwise.
        decoder: in float32, on the CPU.
        vocabulary: folder of its tokenizer.json.
        fills: why it cannot fill in the middle, in a sentence; "" where it can.
        identity: what pins the weights down.
    """

    name: str
    decoder: Decoder
    vocabulary: Path
    fills: str
    identity: dict[str, str]


def load_artifact(folder: Path, settings: ModelSettings) -> Trained:
    """The model of a train artifact.

    Raises:
        ArtifactError: it is damaged.
        EvaluationError: its vocabulary is not found.
    """
    artifact = read_artifact(folder) if (folder / MANIFEST).is_file() else None
    if artifact is not None:
        artifact.verify()
    entry = None if artifact is None else artifact.manifest.inputs.get("vocabulary")
    beside = "" if entry is None else Store.id_of(entry.stage, entry.key)
    vocabulary = _vocabulary(settings, [folder.parent], beside, "" if entry is None else entry.content, folder)
    fills = "" if artifact is None or fills_in(artifact) else UNTRAINED
    identity = {"weights": sha256_file(folder / WEIGHTS_FILE)} if (folder / WEIGHTS_FILE).is_file() else {}
    return Trained(folder.name, load_model(folder), vocabulary, fills, {"kind": "train artifact"} | identity)


def load_checkpoint(where: Path | str, settings: ModelSettings) -> Trained:
    """The model of one checkpoint, with its files compared with their checksums.

    Raises:
        ArtifactError: it is damaged.
        StorageError: it cannot be read.
        EvaluationError: the run it is of, or its vocabulary, is not found.
    """
    from ownlm.tokens.vocabulary.load import Vocabulary

    stored = open_checkpoint(where)
    folder, run = _run_of(stored.fingerprint, where, settings)
    config = TrainStage.model_validate(run["config"], strict=False)
    entry = run["inputs"]["vocabulary"]
    places = [folder.parent, folder.parent.parent / "artifacts", local_path(settings.home) / "artifacts"]
    vocabulary = _vocabulary(settings, places, entry["id"], entry["content"], folder)
    architecture = config.model.architecture(Vocabulary.load(vocabulary).size, config.context)
    with torch.device("meta"):
        decoder = Decoder(architecture)
    decoder = decoder.to_empty(device="cpu")
    if architecture.tied:
        decoder.lm_head.weight = decoder.embed_tokens.weight
    part = "weights/" if config.train.average is None else "average/"
    put_weights(decoder, dict(stored.part(part)), Path(str(where)))
    name = f"{folder.name} step {stored.step}"
    identity = {"kind": "checkpoint", "run": stored.fingerprint, "step": str(stored.step)}
    return Trained(name, decoder.eval(), vocabulary, _fills(config), identity)


def _fills(config: TrainStage) -> str:
    settings = config.objectives.fill_in_the_middle
    asked = settings is not None and max(settings.rate, *settings.sources.values(), 0) > 0
    return "" if asked else UNTRAINED


def _run_of(fingerprint: str, where: Path | str, settings: ModelSettings) -> tuple[Path, dict[str, Any]]:
    """The folder of the run a checkpoint is of, and what it was made of."""
    for folder in _candidates(where, local_path(settings.home)):
        try:
            run = read_run(folder / RUN)
        except ArtifactError:
            continue
        if run.get("fingerprint") == fingerprint:
            return folder, run
    raise EvaluationError(
        "The run this checkpoint is of is not found, so its model's shape is not known.",
        where=where,
        advice="name the home folder that the run was made in (home), or the train artifact itself",
    )


def _candidates(where: Path | str, home: Path) -> Iterator[Path]:
    """Folders above the checkpoint, then the home folder's runs."""
    yield from (one for one in Path(where).resolve().parents if (one / RUN).is_file()) if Path(where).exists() else ()
    for below in ("artifacts", "work"):
        yield from sorted(home.glob(f"{below}/train-*"))


def _vocabulary(settings: ModelSettings, places: list[Path], name: str, content: str, of: Path) -> Path:
    """The folder of the vocabulary: the one that was named, or the artifact of that name and content."""
    if settings.vocabulary is not None:
        return local_path(settings.vocabulary)
    for place in places if name else ():
        found: Artifact | None = read_artifact(place / name) if (place / name / MANIFEST).is_file() else None
        if found is not None and found.manifest.content == content:
            return found.path
    raise EvaluationError(
        "The vocabulary this model was trained with is not found beside it.",
        where=of,
        advice=f"name its folder (vocabulary): it is the artifact {name or 'vocabulary-...'} of the run",
    )
