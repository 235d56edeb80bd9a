"""`job.json`: everything a training process needs to know, written by the stage, read by every worker.

All machines of a job see the same files: the inputs, and the stage's folder with its checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from ownlm.errors import ArtifactError
from ownlm.pipeline.artifact import Artifact, Manifest
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.config import TrainStage

JOB, RESULT, LOGS = "job.json", "result.json", "logs"


def write_job(context: StageContext) -> Path:
    """Describe a stage's work in its scratch folder."""
    config = context.config
    assert isinstance(config, TrainStage)
    values = {
        "config": config.model_dump(mode="json"),
        "inputs": {
            name: {"path": str(made.path.absolute()), "manifest": made.manifest.model_dump(mode="json")}
            for name, made in context.inputs.items()
        },
        "out": str(context.out.absolute()),
        "cache": None if context.cache is None else str(context.cache.absolute()),
        "workers": context.workers,
    }
    context.scratch.mkdir(parents=True, exist_ok=True)
    path = context.scratch / JOB
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    (context.scratch / RESULT).unlink(missing_ok=True)
    return path


def read_job(path: Path) -> StageContext:
    """The stage's work as a worker sees it: without trackers, which the stage itself keeps.

    Raises:
        ArtifactError: it is not there, or damaged.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        out = Path(values["out"])
        return StageContext(
            config=TrainStage.model_validate_json(json.dumps(values["config"])),
            inputs={
                name: Artifact(Path(made["path"]), Manifest.model_validate(made["manifest"]))
                for name, made in values["inputs"].items()
            },
            out=out,
            metrics=MetricLog(out / "metrics.jsonl"),
            workers=values["workers"],
            cache=None if values["cache"] is None else Path(values["cache"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ArtifactError(
            f"the training job cannot be read: {error}",
            where=path,
            advice="give the job.json in the train stage's scratch folder, as `ownlm run` prints it",
        ) from error


def write_result(context: StageContext, metrics: Mapping[str, JsonValue]) -> None:
    """What the stage returns, from the first worker."""
    (context.scratch / RESULT).write_text(json.dumps(dict(metrics)), encoding="utf-8")


def read_result(context: StageContext) -> dict[str, JsonValue]:
    """What the first worker wrote."""
    values: dict[str, JsonValue] = json.loads((context.scratch / RESULT).read_text(encoding="utf-8"))
    return values
