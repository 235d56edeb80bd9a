"""`ownlm train replay`, `blame`, `incidents`: one step of a training run again; whose documents it was; what stood out.

A run is named by its recipe, by a train artifact, or by the folder of one (also a copy on another machine: it says
itself what it was made of; shards and vocabulary are looked up in the home folder by their names).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ownlm.errors import ArtifactError, InputError
from ownlm.flow import stages_of
from ownlm.looking import visible
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.key import stage_key
from ownlm.pipeline.progress import Progress
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.store import Store
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.recipe.load import load_recipe
from ownlm.runs import artifact_of, read_record
from ownlm.train.config import TrainStage
from ownlm.train.spikes.records import RUN, read_run

if TYPE_CHECKING:
    from ownlm.train.spikes.replay import Replayed

INCIDENTS = "report/incidents"
SHOWN = 12
_INPUTS = ("shards", "vocabulary")


@dataclass(frozen=True)
class TrainedRun:
    """A training run, finished or not.

    Attributes:
        folder: its train artifact, or the stage's folder while it is made.
        config: its settings.
        inputs: shards and vocabulary.
    """

    folder: Path
    config: TrainStage
    inputs: dict[str, Artifact]


def find_run(store: Store, what: Path, overrides: Sequence[str] = ()) -> TrainedRun:
    """The run of a recipe, or of a folder.

    Args:
        store: the artifacts.
        what: a recipe, or the folder of a train artifact.
        overrides: the recipe's.

    Raises:
        InputError: it was not trained yet.
        ArtifactError: its folder, shards or vocabulary are not there or damaged.
    """
    if what.is_dir():
        values = read_run(what / RUN)
        config = TrainStage.model_validate_json(json.dumps(values["config"]))
        inputs = {name: store.by_id(values["inputs"][name]["id"]) for name in _INPUTS}
        for name, made in inputs.items():
            if made.manifest.content != values["inputs"][name]["content"]:
                raise ArtifactError(f"The {name} here are not those the run was trained with.", where=made.path)
        return TrainedRun(what, config, inputs)
    recipe = load_recipe(what, overrides)
    record = read_record(store, recipe.name)
    inputs = {name: artifact_of(store, record, name, hashes=False) for name in _INPUTS}
    stage = next(stage for stage in stages_of(recipe) if stage.name == "train")
    fingerprint = stage.fingerprint(store.cache) if stage.fingerprint else None
    key = stage_key(stage, {name: made.manifest.content for name, made in inputs.items()}, fingerprint)
    name = store.id_of(stage.kind, key)
    folder = next((one for one in (store.artifacts / name, store.work / name) if (one / RUN).is_file()), None)
    if folder is None:
        raise InputError(
            f"The run {recipe.name!r} was not trained with these settings yet.",
            where=store.home,
            advice=f"`ownlm run {what}` trains it; give the overrides it was run with, too.",
        )
    assert isinstance(stage.config, TrainStage)
    return TrainedRun(folder, stage.config, inputs)


def replay_step(
    store: Store, run: TrainedRun, step: int, progress: Progress, *, checkpoint: str | None, blame: int | None = None
) -> Replayed:
    """Replay a step in a folder of the home folder's cache, which also keeps checkpoints for the next one."""
    from ownlm.train.spikes.replay import replay

    out = store.cache / "replay" / run.folder.name
    out.mkdir(parents=True, exist_ok=True)
    context = StageContext(
        run.config, run.inputs, out, MetricLog(out / "metrics.jsonl"), progress=progress, cache=store.cache
    )
    return replay(context, run.folder, step, checkpoint=checkpoint, blame=blame)


def print_replayed(out: Console, done: Replayed) -> None:
    """What was replayed, and whether it is the same."""
    got, logged = done.got, done.logged
    came = f"from the checkpoint of step {done.start}" if done.start else "from the start"
    lines = [f"step {got.step}, replayed {came}: loss {got.loss!r}, gradient {got.grad_norm!r}"]
    if logged is None:
        lines.append("The run's log has no such step: there is nothing to compare with.")
    elif done.identical:
        steps = f"all {done.compared} steps replayed are" if done.compared > 1 else "it is"
        lines.append(f"identical: {steps} what the run logged, to the last bit")
    else:
        lines.append(f"logged:  loss {logged.loss!r}, gradient {logged.grad_norm!r}")
        far = abs(got.loss - logged.loss) / max(abs(logged.loss), 1e-30)
        near = (
            f"not identical: the loss differs by {far:.2g} of it; {done.equal} of {done.compared} steps are identical"
        )
        lines.append(near + ("" if done.first is None else f", the first that is not is step {done.first}"))
        for name, (then, now) in done.differs.items():
            lines.append(f"  {name}: then {then}, now {now}")
        if not done.differs:
            lines.append("  nothing that is known of machine, layout and versions differs")
    for line in lines:
        out.print(Text(visible(line)), soft_wrap=True)


def print_blamed(out: Console, folder: Path) -> None:
    """The documents of a step, ranked, and where its page is."""
    found = read_incident(folder)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "document", "language", "labels", "loss", "usual", "z", "excess", "gradient", "share"):
        table.add_column(name, justify="left" if name in ("document", "language") else "right", overflow="fold")
    for one in found["documents"][:SHOWN]:
        cells = [one["rank"], f"{one['repo']}: {one['path']}", one["language"], one["labels"]]
        cells += [_number(one["loss"]), _number(one["usual"]), _number(one["z_score"], 1), _part(one["share"])]
        cells += [_number(one.get("grad_norm")), _part(one.get("grad_share"))]
        table.add_row(*(Text(visible(str(cell))) for cell in cells))
    out.print(table)
    more = len(found["documents"]) - SHOWN
    if more > 0:
        out.print(f"and {more} more documents", markup=False)
    out.print(f"page  {folder / 'index.html'}", markup=False, soft_wrap=True)


def print_incidents(out: Console, run: TrainedRun) -> None:
    """The incidents of a run, one line each."""
    folders = _incident_folders(run)
    if not folders:
        out.print(Text(f"No incidents in {run.folder}."), soft_wrap=True)
    for folder in folders:
        found = read_incident(folder)
        first = found["documents"][0] if found["documents"] else None
        whose = "" if first is None else f"; first {first['repo']}: {first['path']} ({_part(first['share'])})"
        line = f"step {found['step']}: loss {_number(found['loss'])}, gradient {_number(found['grad_norm'])}; "
        out.print(Text(visible(line + found["action"] + whose)), soft_wrap=True)
        out.print(Text(f"  {folder / 'index.html'}"), soft_wrap=True)


def incidents_json(run: TrainedRun) -> list[dict[str, Any]]:
    """What `--json` prints: the incidents in order, each with its page."""
    return [read_incident(folder) | {"page": str(folder / "index.html")} for folder in _incident_folders(run)]


def _incident_folders(run: TrainedRun) -> list[Path]:
    return sorted((run.folder / INCIDENTS).glob("step-*"))


def read_incident(folder: Path) -> dict[str, Any]:
    """An incident's plain values.

    Raises:
        ArtifactError: it is not there, or damaged.
    """
    path = folder / "incident.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError("The incident cannot be read.", where=path) from error
    return values


def print_json(out: Console, values: Any) -> None:
    """For programs."""
    out.print(Text(json.dumps(values, indent=1)), soft_wrap=True)


def replayed_json(done: Replayed) -> dict[str, Any]:
    """Plain values: what `--json` prints."""
    from dataclasses import asdict

    return {
        "identical": done.identical,
        "start": done.start,
        "got": asdict(done.got) | {"loss": done.got.loss},
        "logged": None if done.logged is None else asdict(done.logged) | {"loss": done.logged.loss},
        "compared": done.compared,
        "equal": done.equal,
        "first_different": done.first,
        "differs": {name: list(pair) for name, pair in done.differs.items()},
    }


def _number(value: float | str | None, digits: int = 3) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.{digits}f}"


def _part(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.1%}"
