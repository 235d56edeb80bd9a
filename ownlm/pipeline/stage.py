"""What a stage is, and what it is given: a function from artifacts to one artifact.

A stage function reads `context.inputs`, writes files below `context.out` and returns its headline metrics.
It never reaches into another stage's work folder, never writes a manifest, and never prints: progress goes
through `context.progress`, numbers over time through `context.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from ownlm.pipeline.artifact import SCRATCH, Artifact
from ownlm.pipeline.progress import Progress, SilentProgress
from ownlm.recipe.base import Config

if TYPE_CHECKING:
    from ownlm.data.lake.config import EngineSetting
    from ownlm.pipeline.tracking.log import MetricLog

Metrics = Mapping[str, JsonValue]


@dataclass(frozen=True)
class StageContext:
    """Everything a stage function is given.

    Attributes:
        config: the stage's own settings (the only settings its key depends on).
        inputs: the artifacts it reads, by input name.
        out: the folder it fills. Survives a kill for resumable stages, empty otherwise.
        metrics: where numbers over time go (JSONL, MLflow, Weights & Biases).
        progress: where long work shows its rate and time left.
        workers: processes a map may use; never changes what is written.
        engine: which engine does the work on data; never changes what is written.
        cache: a folder for speed only (file indexes); losing it loses no result.
        fingerprint: for a stage that reads the world outside, the hash that is part of its key.
        version: the stage's version.
        artifacts: where finished artifacts are, for a stage that may take over rows of an earlier one of its kind.
    """

    config: Config
    inputs: Mapping[str, Artifact]
    out: Path
    metrics: MetricLog
    progress: Progress = field(default_factory=SilentProgress)
    workers: int = 1
    cache: Path | None = None
    fingerprint: str | None = None
    engine: EngineSetting = "embedded"
    version: int = 1
    artifacts: Path | None = None

    @property
    def scratch(self) -> Path:
        """A folder for resume points: survives a kill (resumable stages), dropped once the artifact exists."""
        return self.out / SCRATCH


StageFunction = Callable[[StageContext], Metrics]


@dataclass(frozen=True)
class Stage:
    """One step of a run, as planned.

    Attributes:
        name: unique within a run, e.g. "lake-0-python", "train".
        function: "package.module:function"; imported only when it runs, so that planning needs no torch.
        version: raised when the code's meaning changes, so that old artifacts are made again.
        config: settings the result depends on.
        inputs: input name -> name of the stage that makes it.
        fingerprint: for a source, called with the cache folder, returns the hash of what is outside (paths and
            content); None otherwise.
        resumable: keeps its own resume points in `out`, which then survives a kill.
        not_keyed: settings that say how, not what, as pydantic's `exclude`: other ones find the same artifact, and go
            on with the same work.
    """

    name: str
    function: str
    version: int
    config: Config
    inputs: Mapping[str, str] = field(default_factory=dict)
    fingerprint: Callable[[Path | None], str] | None = None
    resumable: bool = False
    not_keyed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The stage's name without its source: "lake-0-python" is a "lake"."""
        return self.name.split("-")[0]
