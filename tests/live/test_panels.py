"""What the dashboard shows of feedback, rollout and experiments."""

from __future__ import annotations

import time
from pathlib import Path

from ownlm.live.feedback.event import Origin
from ownlm.live.panels import FeedbackPanels, RolloutPanels
from ownlm.live.rollout.registry import open_registry
from ownlm.serve.feedback import FeedbackConfig
from tests.live.lived import Did, live, new_store
from tests.live.rollout.made import start, to

NOW = time.time()
PYTHON = Origin("export-a", language="Python")
GO = Origin("export-b", language="Go")


def settings(folder: Path) -> FeedbackConfig:
    return FeedbackConfig(url=str(folder / "events.sqlite3"))


def test_acceptance_of_the_last_days(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    old = NOW - 30 * 86_400
    did = [Did(PYTHON, NOW - 60, "select", kept=10)] * 3 + [Did(PYTHON, NOW - 60)] + [Did(GO, NOW - 60)] * 2
    live(store, [*did, *[Did(GO, old, "select")] * 9])
    store.close()
    by_language, by_version = FeedbackPanels(settings(tmp_path), tmp_path).panels()
    assert by_language.lines == ("Shown in 7 days: 6; accepted: 50.0 %; 50 % of the accepted text was kept.",)
    assert [(bar.label, bar.value, bar.note) for bar in by_language.bars] == [
        ("Python", 0.75, "4 shown"),
        ("Go", 0.0, "2 shown"),
    ]
    assert all(bar.low <= bar.value <= bar.high for bar in by_language.bars if bar.value is not None)
    assert [bar.label for bar in by_version.bars] == ["export-a", "export-b"]


def test_nothing_shown_is_said(tmp_path: Path) -> None:
    new_store(tmp_path).close()
    (panel,) = FeedbackPanels(settings(tmp_path), tmp_path).panels()
    assert panel.lines == ("Nothing was shown to anybody in the last 7 days.",)
    assert panel.bars == ()


def test_channels_and_a_running_experiment(tmp_path: Path) -> None:
    registry = open_registry(tmp_path / "registry")
    for change in (to("old"), to("old", "staff"), to("new", "staff", percent=10), start("longer", "old", "new")):
        registry.change(change, why="a test")
    new_store(tmp_path).close()
    channels, experiment = RolloutPanels(registry, settings(tmp_path), tmp_path).panels()
    assert channels.lines == ("everyone: old", "staff: old; 10 % of its users have new")
    assert experiment.title == "Experiment longer"
    assert "early" in experiment.lines[0].lower()
    (_, without) = RolloutPanels(registry, None, tmp_path).panels()
    assert "nothing comes of it" in without.lines[0]
