"""A run: one recipe carried out, with its record and its pages under HOME/runs/<name>/.

run.json       which artifact each stage made, what was cached, how long it took
recipe.yaml    the recipe as it was resolved
report/        index.html and a page a stage, copied from the artifacts: the folder can be zipped and sent
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from ownlm.errors import ArtifactError, InputError, StorageError
from ownlm.evaluate.suites_part import check_suites
from ownlm.flow import stages_of
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.progress import Progress
from ownlm.pipeline.run import OpenMetrics, Runner, StageResult, full_disk
from ownlm.pipeline.stage import Stage
from ownlm.pipeline.store import Store
from ownlm.pipeline.tracking.base import RunInfo
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.pipeline.tracking.redact import redact
from ownlm.recipe.load import load_recipe
from ownlm.recipe.schema import Recipe
from ownlm.runs_page import write_pages

RECORD = "run.json"


@dataclass(frozen=True)
class RunRecord:
    """What HOME/runs/<name>/run.json says."""

    name: str
    folder: Path
    stages: dict[str, str]
    complete: bool

    @property
    def recipe(self) -> Path:
        """The recipe as it was resolved."""
        return self.folder / "recipe.yaml"

    @property
    def index(self) -> Path:
        """The run's index page."""
        return self.folder / "report" / "index.html"


class RunJournal:
    """Keeps a run's record and pages up to date while it runs: after every stage, not only at the end."""

    def __init__(self, store: Store, recipe: Recipe, recipe_text: str, total: int) -> None:
        self.folder = store.runs / recipe.name
        self._recipe, self._text, self._total = recipe, recipe_text, total
        self._results: list[StageResult] = []

    def add(self, result: StageResult) -> None:
        """Note one finished stage. Until the first one, the record and the recipe of the run before stay as they are.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        self._results.append(result)
        if len(self._results) == 1:
            self.folder.mkdir(parents=True, exist_ok=True)
            _replace_text(self.folder / "recipe.yaml", self._text)
        record = {
            "name": self._recipe.name,
            "complete": len(self._results) == self._total,
            "stages": {one.stage.name: one.artifact.id for one in self._results},
            "cached": [one.stage.name for one in self._results if one.cached],
            "seconds": {one.stage.name: round(one.seconds, 3) for one in self._results},
        }
        _replace_text(self.folder / RECORD, json.dumps(record, indent=1) + "\n")
        write_pages(self.folder / "report", self._recipe.name, self._text, self._results)


class CheckedStart:
    """Before the first stage is made: sees that what the last ones need from this machine is there."""

    def __init__(self, recipe: Recipe, store: Store, started: Callable[[Stage, bool], None]) -> None:
        self._recipe, self._store, self._started = recipe, store, started
        self._checked = False

    def __call__(self, stage: Stage, continues: bool) -> None:
        """Check once, then pass it on."""
        if not self._checked:
            check_suites(self._recipe, self._store.cache)
            self._checked = True
        self._started(stage, continues)


def execute(
    recipe: Recipe,
    store: Store,
    *,
    workers: int,
    progress: Progress,
    started: Callable[[Stage, bool], None] = lambda stage, continues: None,
    finished: Callable[[StageResult], None] = lambda result: None,
) -> dict[str, StageResult]:
    """Carry out a recipe: make or find every stage, keep the record and the pages.

    Args:
        recipe: what to do.
        store: where artifacts are.
        workers: processes a map may use.
        progress: where long work is shown.
        started: called with (stage, continues) before a stage is made.
        finished: called with each `StageResult`.

    Raises:
        BusyError: another process carries out a run of this name.
        OwnlmError: see `Runner.run`.
    """
    text = recipe_text(recipe)
    stages = stages_of(recipe)
    journal = RunJournal(store, recipe, text, len(stages))

    def done(result: StageResult) -> None:
        journal.add(result)
        finished(result)

    engine = recipe.lake.engine
    checked = CheckedStart(recipe, store, started)
    runner = Runner(store, text, workers, progress, metrics_opener(recipe, store), checked, done, engine)
    with store.lock_run(recipe.name):
        return runner.run(stages)


def metrics_opener(recipe: Recipe, store: Store) -> OpenMetrics:
    """How each stage's metric log is opened: JSONL, and the trackers the recipe names."""
    from ownlm.pipeline.tracking.open import open_trackers

    @contextmanager
    def opened(stage: Stage, key: str, work: Path) -> Iterator[MetricLog]:
        log = MetricLog(work / "metrics.jsonl", open_trackers(recipe.track, store.home))
        folder = work / "log"
        log.start(RunInfo(recipe.name, stage.name, key, folder, params=stage.config.model_dump(mode="json")))
        try:
            yield log
        except KeyboardInterrupt:
            log.finish("killed")
            raise
        except BaseException:
            log.finish("failed")
            raise
        log.finish("finished")

    return opened


def recipe_text(recipe: Recipe) -> str:
    """The resolved recipe as YAML: every setting, defaults too; credentials in addresses left out."""
    values = recipe.model_dump(mode="json")
    # A source names its one kind; the others are absent, not empty.
    values["sources"] = [
        {entry.kind: entry.settings.model_dump(mode="json"), "weight": entry.weight} for entry in recipe.sources
    ]
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    # Long texts stay on one line, where credentials can be seen.
    yaml.width = 1 << 30
    yaml.dump(_quoted(values), stream)
    return redact(stream.getvalue())


def _quoted(value: Any) -> Any:
    """The same values, texts with more than plain characters marked to be written with escapes.

    Left to itself, YAML's single quotes turn U+0085 and its like into spaces.
    """
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not value.isprintable() else value


def read_saved_recipe(record: RunRecord) -> Recipe:
    """The recipe a run was made with, as it was resolved then."""
    return load_recipe(record.recipe)


def read_record(store: Store, name: str | None) -> RunRecord:
    """The record of the run called `name`, or of the latest one.

    Raises:
        InputError: there is no such run, or none at all.
        ArtifactError: the record is damaged.
    """
    records = list(store.runs.glob(f"*/{RECORD}"))
    if not records:
        raise InputError("Nothing was run here yet.", where=store.home, advice="Start with `ownlm run RECIPE`.")
    if name is None:
        path = max(records, key=lambda one: one.stat().st_mtime)
    else:
        path = store.runs / name / RECORD
        if path not in records:
            known = ", ".join(sorted(one.parent.name for one in records))
            raise InputError(f"There is no run called {name!r}.", where=store.runs, advice=f"There are: {known}.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return RunRecord(record["name"], path.parent, dict(record["stages"]), bool(record["complete"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            "The run's record is damaged.", where=path, advice="Run the recipe again; what was made is kept."
        ) from error


def artifact_of(store: Store, record: RunRecord, stage: str, *, hashes: bool = True) -> Artifact:
    """The artifact a run's stage made; its files are compared with the manifest by size, and by content if `hashes`.

    Raises:
        InputError: the run has not come that far.
        ArtifactError: it is gone or damaged.
    """
    if stage not in record.stages:
        raise InputError(
            f"The run {record.name!r} has not reached {stage} yet.",
            where=record.folder,
            advice="Run its recipe again; it continues where it stopped.",
        )
    artifact = store.by_id(record.stages[stage])
    artifact.verify(hashes=hashes)
    return artifact


def _replace_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        advice = "Make the folder writable, then run the same command again."
        refused = StorageError(f"{path.name} cannot be written: {error.strerror}.", where=path, advice=advice)
        raise full_disk(error, path) or refused from error
