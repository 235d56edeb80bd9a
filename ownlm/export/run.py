"""The export stage: train + vocabulary -> the forms of the recipe and a report that proves they say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ownlm.export.config import ExportStage
from ownlm.export.forms import Source, write_forms
from ownlm.export.parity import Parity
from ownlm.export.report import write_report
from ownlm.model.load import load_model
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.stage import Metrics, StageContext
from ownlm.recipe.yaml_file import parse_yaml
from ownlm.tokens.vocabulary.load import Vocabulary


def export(context: StageContext) -> Metrics:
    """Write the formats of the recipe and compare each with the trained model.

    Raises:
        ArtifactError: an input is damaged, or an exported model does not say what the trained one says.
        DependencyError: a converter is not installed.
        StorageError: the disk is full.
    """
    assert isinstance(context.config, ExportStage)
    vocabulary_dir, train = context.inputs["vocabulary"].path, context.inputs["train"]
    Vocabulary.load(vocabulary_dir)  # a damaged one is said before the model is read
    source = Source(load_model(train.path), vocabulary_dir, fills_in(train), packed_in(train))
    parities = write_forms(source, context.config.export, context.out, context.progress)
    write_report(context.out, parities, source.decoder.architecture)
    return headline(context.out, parities)


def fills_in(train: Artifact) -> bool:
    """Was the model trained to fill in the middle? Taken from the settings it was trained with."""
    objectives: Any = train.manifest.config.get("objectives", {})
    if not isinstance(objectives, dict) or "fill_in_the_middle" not in objectives:
        return True
    settings = objectives["fill_in_the_middle"]
    return settings is not None and max(settings.get("rate", 1), *settings.get("sources", {}).values(), 0) > 0


def packed_in(train: Artifact) -> dict[str, JsonValue]:
    """How the training's documents were packed, as ownlm.json says it; empty for single documents.

    Taken from the recipe it was made by; one that says nothing is older than the setting.
    """
    recipe, _ = parse_yaml(train.manifest.recipe or "{}", "recipe")
    shards: Any = recipe.get("shards") or {}
    if shards.get("pack") != "repositories":
        return {}
    return {"pack": "repositories", "repository_names": shards.get("repository_names", 0.5) > 0}


def headline(out: Path, parities: dict[str, Parity]) -> dict[str, JsonValue]:
    """Agreement and size of every form, as metrics show them."""
    figures: dict[str, JsonValue] = {}
    for form, parity in parities.items():
        figures[f"{form}.agreement"] = round(parity.agreement, 6)
        figures[f"{form}.prompts_equal"] = f"{parity.equal} of {parity.prompts}"
        if (out / form).is_dir():
            figures[f"{form}.bytes"] = sum(path.stat().st_size for path in (out / form).rglob("*") if path.is_file())
    return figures
