"""Poisoned files in a corpus: the watch fires, blame names them first, policies act, a resumed run does the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ownlm.errors import TrainingError
from ownlm.pipeline.artifact import sha256_file
from ownlm.pipeline.stage import StageContext
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import TrainStage
from ownlm.train.run import train
from ownlm.train.spikes.records import STEPS, Record, StepRecords
from ownlm.train.spikes.replay import replay
from ownlm.train.spikes.watch import FOLDER
from tests.train.inputs import stage_context
from tests.train.spikes.poison import watched

Trained = tuple[StageContext, str]
FOUND = 142
"""The step of these shards and this seed in which a window of noise is read by a model that has learned something."""


@pytest.fixture(scope="module")
def noted(poisoned_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run that notes spikes: its folder, the hash of its weights."""
    return go(poisoned_inputs, tmp_path_factory.mktemp("noted"), watched())


def go(inputs: Path, work: Path, config: TrainStage) -> Trained:
    context = stage_context(inputs, work, config)
    train(context)
    return context, sha256_file(context.out / "model.safetensors")


def incidents(context: StageContext) -> dict[str, dict[str, Any]]:
    folder = context.out / FOLDER
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.glob("*/incident.json"))}


def records(context: StageContext) -> list[Record]:
    return StepRecords(context.out / STEPS).read()


def poison_of(inputs: Path, context: StageContext) -> dict[int, set[str]]:
    """The poisoned files of every step that has one."""
    config = context.config
    assert isinstance(config, TrainStage)
    settings, vocabulary = config.train, Vocabulary.load(inputs / "vocabulary")
    reader = ShardReader(inputs / "shards" / "train")
    batches = Batches(reader, config.objectives, vocabulary, config.context, settings.batch_sizes(), settings.seed)
    found = {}
    for record in records(context):
        spans = [span for row in batches.documents_of(record.data_step) for span, _ in row]
        if paths := {span.path for span in spans if span.repo == "poison"}:
            found[record.step] = paths
    return found


def test_the_watch_fires_at_poison_only_and_names_it_first(noted: Trained, poisoned_inputs: Path) -> None:
    found = incidents(noted[0])
    assert f"step-{FOUND:08d}" in found
    poison = poison_of(poisoned_inputs, noted[0])
    for incident in found.values():
        first = incident["documents"][0]
        assert first["repo"] == "poison"
        assert first["path"] in poison[incident["step"]]
        assert first["share"] > 0.5
        assert first["grad_share"] > 0.5


def test_an_incident_says_it_all(noted: Trained) -> None:
    incident = incidents(noted[0])[f"step-{FOUND:08d}"]
    record = next(one for one in records(noted[0]) if one.step == FOUND)
    assert incident["loss"] == record.loss
    assert incident["grad_norm"] == record.grad_norm
    assert [step for step, _, _ in incident["history"]] == list(range(FOUND - 64, FOUND))
    first = incident["documents"][0]
    assert {"id", "source", "repo", "path", "language", "stretches", "text", "z_score"} <= set(first)
    assert first["stretches"][0]["bytes"] is not None
    assert first["text"][0]
    page = (noted[0].out / FOLDER / f"step-{FOUND:08d}" / "index.html").read_text()
    assert "poison: noise1.py" in page
    assert "background:rgb" in page
    assert sum(one["labels"] for one in incident["documents"]) == record.labels


def test_every_poisoned_step_is_blamed_on_the_poison(noted: Trained, poisoned_inputs: Path, tmp_path: Path) -> None:
    """Also where no alarm went: of each kind, the poisoned files lead the ranking of the steps they are in."""
    context, _ = noted
    poison = {step: paths for step, paths in poison_of(poisoned_inputs, context).items() if step > 70}
    ranks: dict[str, list[int]] = {}
    for step in sorted(poison):
        again = stage_context(poisoned_inputs, tmp_path, watched())
        done = replay(again, context.out, step, blame=2)
        assert done.identical
        assert done.folder is not None
        documents = json.loads((done.folder / "incident.json").read_text())["documents"]
        for one in documents:
            if one["repo"] == "poison" and one["labels"] >= 8:
                ranks.setdefault(one["path"].rstrip("01.py"), []).append(one["rank"])
    assert set(ranks) == {"noise", "repeated", "shuffled"}
    assert {kind: max(places) for kind, places in ranks.items()} == {"noise": 1, "repeated": 1, "shuffled": 1}, ranks


def test_watching_changes_no_weights(noted: Trained, poisoned_inputs: Path, tmp_path: Path) -> None:
    _, weights = go(poisoned_inputs, tmp_path, watched("off"))
    assert weights == noted[1]


class KilledError(Exception):
    """Stands for a kill."""


def killed_at(step: int) -> Callable[..., Any]:
    from ownlm.train.loop import Trainer

    whole = Trainer._log

    def log(self: Trainer, position: Any, task: Any) -> None:
        if position.step == step:
            raise KilledError
        whole(self, position, task)

    return log


@pytest.mark.parametrize("policy", ["skip", "rewind"])
def test_policies_act_and_a_killed_run_acts_alike(
    noted: Trained, poisoned_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    from ownlm.train.loop import Trainer

    config = watched(policy)
    whole, weights = go(poisoned_inputs, tmp_path / "whole", config)
    found = incidents(whole)
    incident = found[f"step-{FOUND:08d}"]
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_log", killed_at(146))
        with pytest.raises(KilledError):
            go(poisoned_inputs, tmp_path / "parts", config)
    parts, again = go(poisoned_inputs, tmp_path / "parts", config)
    assert again == weights
    assert incidents(parts) == found
    assert (parts.out / STEPS).read_bytes() == (whole.out / STEPS).read_bytes()
    steps = records(whole)
    assert [one.step for one in steps] == list(range(1, 151))
    before = records(noted[0])
    if policy == "skip":
        assert incident["action"].startswith("skipped")
        assert steps[FOUND - 1] == before[FOUND - 1]
        assert steps[FOUND] != before[FOUND]  # nothing was learned from step 142
    else:
        assert incident["action"].startswith("rewound to step 138")
        assert [one.data_step + 1 for one in steps[137:141]] == [138, 143, 144, 145]
        done = replay(stage_context(poisoned_inputs, tmp_path / "again", config), whole.out, 147)
        assert done.identical
        assert done.got.data_step == 150


def test_a_stop_says_why_and_goes_on_from_there(poisoned_inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=f"step {FOUND} is a spike") as caught:
        go(poisoned_inputs, tmp_path, watched("stop"))
    assert caught.value.where is not None
    assert Path(caught.value.where).is_file()
    with pytest.raises(TrainingError, match=f"step {FOUND} is a spike"):
        go(poisoned_inputs, tmp_path, watched("stop"))


@pytest.mark.slow
def test_two_processes_find_it_and_replay_it(poisoned_inputs: Path, tmp_path: Path) -> None:
    """Identical in the same layout; in one process close, and the layout is named as what differs."""
    context, _ = go(poisoned_inputs, tmp_path / "two", watched(mesh={"shard": 2}))
    incident = incidents(context)[f"step-{FOUND:08d}"]
    assert incident["documents"][0]["path"] == "noise1.py"
    again = stage_context(poisoned_inputs, tmp_path / "again", watched(mesh={"shard": 2}))
    done = replay(again, context.out, FOUND, blame=8)
    assert done.identical
    assert done.folder is not None
    said = json.loads((done.folder / "incident.json").read_text())
    assert (said["documents"], said["layers"]) == (incident["documents"], incident["layers"])
    alone = replay(stage_context(poisoned_inputs, tmp_path / "alone", watched()), context.out, FOUND)
    assert not alone.identical
    assert list(alone.differs) == ["mesh"]
    assert alone.logged is not None
    assert alone.got.loss == pytest.approx(alone.logged.loss, rel=1e-5)
