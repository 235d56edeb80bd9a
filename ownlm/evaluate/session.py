"""`ownlm eval MODEL`: a model measured by suites whose answers are run, in a folder of its own.

FOLDER/results.json, samples.jsonl, log/runs.jsonl     see `ownlm.evaluate.results`
FOLDER/report/                                         pages
FOLDER/journal/                                        what a killed evaluation goes on with
FOLDER/metrics.jsonl                                   pass@k by k, as trackers get it
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ownlm.errors import EvaluationError
from ownlm.evaluate.config import SuiteRun
from ownlm.evaluate.likelihood_settings import LikelihoodSettings
from ownlm.evaluate.measure import Prepared, curve_steps, graded, measure, prepare
from ownlm.evaluate.models.base import Model
from ownlm.evaluate.report_suites import write_suites_report
from ownlm.evaluate.results import Results, read_results, write_samples, write_summary
from ownlm.evaluate.summary import headline
from ownlm.pipeline.progress import Progress
from ownlm.pipeline.store import Store
from ownlm.pipeline.tracking.base import RunInfo
from ownlm.pipeline.tracking.config import TrackConfig
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.pipeline.tracking.open import open_trackers
from ownlm.recipe.base import canonical_json


@dataclass(frozen=True)
class Session:
    """What `ownlm eval MODEL` is asked.

    Attributes:
        model: see `open_model`.
        suites: by name.
        model_settings: of `open_model`.
        folder: of the results; one by model and settings in the home folder when None.
        unsafe: run answers also where they cannot be contained.
        workers: programs at a time.
        likelihood: grade problems by likelihood too, where the model tells probabilities.
        track: where the figures go as well.
    """

    model: str
    suites: Mapping[str, SuiteRun]
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    unsafe: bool = False
    workers: int = 1
    likelihood: bool = True
    track: TrackConfig = field(default_factory=TrackConfig)


def carry_out_session(session: Session, store: Store, progress: Progress) -> Results:
    """Measure the model, or go on where a killed evaluation with the same words stopped.

    Raises:
        EvaluationError: a suite, its data or the model is not there; the folder holds another evaluation.
        BusyError: another process fills the folder.
        OwnlmError: see `prepare`, `open_model` and `measure`.
    """
    from ownlm.evaluate.models.open import open_model

    if not session.suites:
        raise EvaluationError("No suite is named.", advice="Add --suite NAME, e.g. --suite humaneval.")
    prepared = prepare(session.suites, unsafe=session.unsafe, workers=session.workers, cache=store.cache)
    open_trackers(session.track, store.home)
    model = open_model(session.model, home=str(store.home), **session.model_settings)
    key = hashlib.sha256(canonical_json(prepared.identity(model)).encode()).hexdigest()
    folder = session.folder or store.home / "eval" / f"{_slug(model.name)}-{key[:12]}"
    with store.lock("eval", hashlib.sha256(str(folder.resolve()).encode()).hexdigest()):
        summary, samples = measure(prepared, model, folder / "journal", progress)
        if session.likelihood:
            summary["likelihood"] = graded(prepared, model, LikelihoodSettings(), progress, must=False)
        write_samples(folder, samples)
        _track(session, store, folder, key, prepared, model, summary)
        write_suites_report(folder / "report", summary, samples, prepared.problems)
        write_summary(folder, summary)
    return read_results(folder)


def results_of(what: str, store: Store) -> Results:
    """The results in a folder, or of a run that has evaluated.

    Raises:
        EvaluationError: there are none, or they are damaged.
        InputError: there is no such run.
    """
    from ownlm.recipe.base import local_path
    from ownlm.runs import artifact_of, read_record

    folder = local_path(what)
    if folder.is_dir():
        return read_results(folder)
    return read_results(artifact_of(store, read_record(store, what), "evaluate").path)


def _track(
    session: Session,
    store: Store,
    folder: Path,
    key: str,
    prepared: Prepared,
    model: Model,
    summary: Mapping[str, Any],
) -> None:
    path = folder / "metrics.jsonl"
    with suppress(FileNotFoundError):
        path.unlink()
    log = MetricLog(path, open_trackers(session.track, store.home))
    params = {asked.name: asked.run.model_dump(mode="json") for asked in prepared.suites}
    log.start(RunInfo("eval", model.name, key, folder / "log", params=params, tags=dict(model.identity)))
    for k, values in curve_steps(summary["suites"]).items():
        log.log(k, values)
    log.summary(headline(summary))
    log.finish("finished")


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "model"
