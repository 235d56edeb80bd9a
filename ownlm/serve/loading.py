"""Load a version of the model so that it answers: read, opened under supervision, and asked for a first completion.

A version that cannot complete is refused here, before anybody is sent to it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ownlm.errors import ArtifactError, EngineError
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import GenerationRequest, GenerationStep
from ownlm.serve.model import DESCRIPTION_FILE, ServedModel, load_folder, load_model

WARM_UP = "def "
WARM_UP_TOKENS = 4

Fingerprint = tuple[tuple[str, int, int], ...]
"""Name, size and time of change (ns) of the files of a folder."""


def load_version(
    export_dir: Path, config: ServeConfig, model_name: str | None = None, version: str | None = None
) -> ServedModel:
    """A version that has made a completion.

    Args:
        export_dir: the folder of an export artifact, or the engine's own folder.
        config: which engine, and how.
        model_name: what clients call it; None for the name it was exported under.
        version: what it is known by; None for the folder's name.

    Raises:
        ArtifactError: the folder is not an export, is incomplete or damaged, or its model says nothing.
        DependencyError: the engine's package is missing.
        ServerError: the engine refuses its settings.
        EngineError: it breaks.
    """
    own = (export_dir / DESCRIPTION_FILE).is_file()
    model = (load_folder if own else load_model)(export_dir, config, model_name)
    try:
        warm_up(model)
    except BaseException:
        model.engine.close()
        raise
    return replace(model, version=version or model.version)


def warm_up(model: ServedModel) -> None:
    """Let `model` complete something.

    Raises:
        ArtifactError: no token comes.
        EngineError: the engine breaks.
    """
    steps: list[GenerationStep] = []

    def on_step(step: GenerationStep) -> bool:
        steps.append(step)
        return False

    prompt = tuple(model.vocabulary.encode(WARM_UP))
    try:
        model.engine.generate(GenerationRequest(prompt, WARM_UP_TOKENS, temperature=0.0), on_step)
    except (RuntimeError, ValueError) as error:  # what engines' own libraries raise of files they cannot use
        raise EngineError(f"the model cannot complete anything: {type(error).__name__}") from error
    if not steps:
        raise ArtifactError("the model completes nothing", where=model.version, advice="export it again")


def fingerprint(folder: Path) -> Fingerprint:
    """What changes whenever a file below `folder` does; empty when there is none. Reads no file."""
    found = []
    for file in sorted(folder.rglob("*")):
        try:
            status = file.stat()
        except OSError:
            continue  # gone in between; the next look sees the rest
        found.append((str(file.relative_to(folder)), status.st_size, status.st_mtime_ns))
    return tuple(found)
