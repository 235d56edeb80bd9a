"""Monitors on a real run: they change no weight, agree with the loop's own sums, and a resumed run logs the same."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from torch import nn

from ownlm.model.load import load_model
from ownlm.pipeline.artifact import sha256_file
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.config import TrainStage
from ownlm.train.loss import _keepers
from ownlm.train.monitor.monitors import is_clock
from ownlm.train.monitor.norms import Norms
from ownlm.train.monitor.written import FILE, read_completions
from ownlm.train.parallel.layout import Layout
from ownlm.train.run import train
from tests.train.inputs import small, stage_context
from tests.train.monitor.mixed import make_mixed


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mixed(tmp_path_factory.mktemp("mixed"))


def done(inputs: Path, work: Path, config: TrainStage) -> tuple[StageContext, list[dict[str, float]]]:
    context = stage_context(inputs, work, config)
    train(context)
    return context, MetricLog.read(context.metrics.path)


def still(lines: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in line.items() if not is_clock(name)} for line in lines]


def test_the_weights_are_those_of_a_run_nobody_watched(mixed: Path, tmp_path: Path) -> None:
    watched, _ = done(mixed, tmp_path / "watched", small(average={"decay": 0.9}))
    alone, lines = done(mixed, tmp_path / "alone", small(average={"decay": 0.9}, monitor=None))
    assert sha256_file(watched.out / "model.safetensors") == sha256_file(alone.out / "model.safetensors")
    assert set(lines[1]) - {"heldout_loss", "heldout_bits_per_byte"} == {
        "step", "time", "loss", "bits_per_byte", "lr", "grad_norm", "tokens_per_s",
    }  # fmt: skip
    assert not (alone.out / FILE).exists()
    assert _keepers == []


def test_parts_add_up_to_the_whole(mixed: Path, tmp_path: Path) -> None:
    context, lines = done(mixed, tmp_path, small(steps=12, log_every=3, price_per_hour=36.0))
    for line in lines:
        for kind in ("source", "language"):
            losses = [value for name, value in line.items() if name.startswith(f"loss_by_{kind}/")]
            assert len(losses) == 2
            assert min(losses) < line["loss"] < max(losses)
        assert line["run/cost"] == pytest.approx(line["run/seconds"] / 100)
    assert lines[-1]["run/seconds_left"] == lines[-1]["run/cost_left"] == 0
    measured = [line for line in lines if "heldout_bits_per_byte" in line]
    assert len(measured) == 3
    for line in measured:
        by_language = [line[f"heldout_by_language/{name}"] for name in ("C", "Python")]
        assert min(by_language) < line["heldout_bits_per_byte"] < max(by_language)
        assert line["heldout_fim_loss"] > 0
    groups = {
        f"{kind}_norm/{name}" for kind in ("grad", "update") for name in ("embedding", "layer 0", "layer 1", "head")
    }
    assert groups <= {name for line in lines for name in line}
    text = (context.out / "report/index.html").read_text()
    for words in ("Loss by language", "Where the time goes", "What it writes", "MFU", "Cost", "Length of the update"):
        assert words in text


class StopError(Exception):
    """Stands for a kill."""


def test_a_resumed_run_logs_the_same_once(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small(steps=14, log_every=4, eval_every=4, checkpoint_every=3)  # checkpoints between log lines
    whole, reference = done(mixed, tmp_path / "whole", config)
    save, count = CheckpointFolder.save, [0]

    def counting(self: CheckpointFolder, *arguments: object) -> None:
        count[0] += 1
        if count[0] > 2:
            raise StopError
        save(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointFolder, "save", counting)
        with pytest.raises(StopError):
            done(mixed, tmp_path / "parts", config)
    before = MetricLog.read(tmp_path / "parts/out/metrics.jsonl")
    context, lines = done(mixed, tmp_path / "parts", config)
    assert still(lines) == still(reference)
    assert (context.out / FILE).read_bytes() == (whole.out / FILE).read_bytes()
    assert lines[-1]["run/seconds"] > before[0]["run/seconds"]
    seconds = [line["run/seconds"] for line in lines]
    assert seconds == sorted(seconds)


def test_what_it_writes_is_written_at_every_measurement(mixed: Path, tmp_path: Path) -> None:
    monitor = {"completions": 2, "completion_tokens": 5}
    context, _ = done(mixed, tmp_path, small(steps=8, eval_every=4, monitor=monitor))
    written = read_completions(context.out / FILE)
    assert [one.step for one in written] == [4, 4, 8, 8]
    assert {(one.repo, one.path) for one in written[:2]} == {(one.repo, one.path) for one in written[2:]}
    assert all(one.before.endswith("\n") and one.expected for one in written)


def test_without_fill_in_the_middle_its_loss_is_not_measured(mixed: Path, tmp_path: Path) -> None:
    config = small(steps=4).model_copy(update={"objectives": ObjectivesConfig(fill_in_the_middle=None)})
    _, lines = done(mixed, tmp_path, config)
    assert "heldout_loss" in lines[-1]
    assert "heldout_fim_loss" not in lines[-1]


def test_norms_are_those_of_the_weights_of_a_group(mixed: Path, tmp_path: Path) -> None:
    """Against the slow way: all gradients and all weights, before and after."""
    context, _ = done(mixed, tmp_path, small(steps=2))
    decoder = load_model(context.out)
    norms = Norms(decoder, Layout(), clip=0.5)
    assert norms.names == ["embedding", "layer 0", "layer 1", "head"]
    for number, weight in enumerate(decoder.parameters()):
        weight.grad = (weight.detach() * (number + 1)).cos()
    raw = {name: weight.grad.clone() for name, weight in decoder.named_parameters() if weight.grad is not None}
    whole = nn.utils.clip_grad_norm_(decoder.parameters(), 0.5).item()
    squares, moved = 0.0, 0.0
    for step in range(4):
        squares += norms.before(step, whole)
        for weight in decoder.parameters():
            weight.data += 0.25
        moved += norms.after(step)
    assert math.sqrt(squares) == pytest.approx(whole, rel=1e-4)
    assert moved == pytest.approx(0.0625 * sum(weight.numel() for weight in raw.values()), rel=1e-3)
    prefix = "layers.1."
    expected = math.sqrt(sum(float(grad.square().sum()) for name, grad in raw.items() if name.startswith(prefix)))
    assert math.sqrt(norms.before(2, whole)) == pytest.approx(expected, rel=1e-4)
