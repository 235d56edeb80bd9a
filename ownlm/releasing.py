"""What can be rolled out: a run, an export artifact, a folder, a URL, a version the registry knows; its evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue

from ownlm.errors import ArtifactError, InputError
from ownlm.live.rollout.state import ModelVersion, RolloutState
from ownlm.pipeline.artifact import Artifact, read_artifact
from ownlm.pipeline.store import Store
from ownlm.runs import RECORD, RunRecord, artifact_of, read_record

_MOST_FIGURES = 24


def version_of(store: Store, what: str, state: RolloutState, evaluation: str = "") -> tuple[str, ModelVersion]:
    """The version that is meant, and its name.

    Args:
        store: where runs and artifacts are.
        what: name of a run, of a channel or of a version the registry knows; an export artifact; a folder; a URL.
        state: of the registry.
        evaluation: page, folder or address of an evaluation, instead of the run's own; "" for that.

    Raises:
        InputError: there is no such thing, or it is no export.
        ArtifactError: it is damaged.
    """
    name, version = _found(store, what, state)
    if evaluation:
        version = version.model_copy(update={"evaluation": {"page": evaluation}})
    return name, version


def _found(store: Store, what: str, state: RolloutState) -> tuple[str, ModelVersion]:
    if what in state.channels:
        what = state.channels[what].version
    if what in state.versions:
        return what, state.versions[what]
    if "://" in what:
        name = what.rstrip("/").rsplit("/", 1)[-1]
        return name, ModelVersion(source=what.rstrip("/"), model=name)
    if (store.runs / what / RECORD).is_file():
        record = read_record(store, what)
        return _exported(artifact_of(store, record, "export", hashes=False), record.name, _evaluation(store, record))
    folder = Path(what).expanduser()
    if folder.is_dir():
        artifact = read_artifact(folder)
        return _plain(folder) if artifact is None else _of_artifact(store, artifact)
    try:
        return _of_artifact(store, store.by_id(what))
    except ArtifactError as error:
        runs = ", ".join(sorted(one.parent.name for one in store.runs.glob(f"*/{RECORD}"))) or "none"
        known = ", ".join(state.versions) or "none"
        raise InputError(
            f"There is no run, artifact, folder or version called {what!r}.",
            where=store.home,
            advice=f"Runs: {runs}. Versions in the registry: {known}. Or give a folder or URL of an export.",
        ) from error


def _of_artifact(store: Store, artifact: Artifact) -> tuple[str, ModelVersion]:
    """An export artifact; the run that made it, if there is one here, has its evaluation."""
    if artifact.manifest.stage != "export":
        advice = "Name a run, or the artifact of its stage `export`."
        raise InputError(f"{artifact.id} is not an export.", where=artifact.path, advice=advice)
    artifact.verify(hashes=False)
    for path in sorted(store.runs.glob(f"*/{RECORD}")):
        record = read_record(store, path.parent.name)
        if record.stages.get("export") == artifact.id:
            return _exported(artifact, record.name, _evaluation(store, record))
    return _exported(artifact, _model_name(artifact.path), {})


def _exported(artifact: Artifact, model: str, evaluation: dict[str, JsonValue]) -> tuple[str, ModelVersion]:
    return artifact.id, ModelVersion(source=str(artifact.path.resolve()), model=model, evaluation=evaluation)


def _plain(folder: Path) -> tuple[str, ModelVersion]:
    """A folder without a manifest, copied from somewhere."""
    return folder.resolve().name, ModelVersion(source=str(folder.resolve()), model=_model_name(folder))


def _model_name(folder: Path) -> str:
    for place in (folder, *sorted(folder.glob("*/"))):
        try:
            return str(json.loads((place / "ownlm.json").read_text(encoding="utf-8"))["name"])
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            advice = "Export the model again."
            raise ArtifactError("The model's description is damaged.", where=place, advice=advice) from error
    raise InputError("This folder is no export.", where=folder, advice="Name a run, or an export artifact.")


def _evaluation(store: Store, record: RunRecord) -> dict[str, JsonValue]:
    """Artifact, page and headline figures of a run's own evaluation; empty when it has none."""
    if "evaluate" not in record.stages:
        return {}
    artifact = artifact_of(store, record, "evaluate", hashes=False)
    page = artifact.path / "report" / "index.html"
    figures = {
        name: value
        for name, value in artifact.manifest.metrics.items()
        if isinstance(value, int | float) and ".model" in name
    }
    shown: dict[str, JsonValue] = dict(list(figures.items())[:_MOST_FIGURES])
    return {"artifact": artifact.id, "page": str(page.resolve()) if page.is_file() else "", "figures": shown}
