"""The train stage's page: how the loss fell, at what rate and speed, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ownlm.model.config import Architecture
from ownlm.pipeline.progress import format_count, format_seconds
from ownlm.pipeline.stage import StageContext
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.config import TrainStage
from ownlm.train.execution import Execution
from ownlm.train.monitor.pictures import draw
from ownlm.train.monitor.written import FILE as COMPLETIONS
from ownlm.train.monitor.written import read_completions
from ownlm.train.position import Position
from ownlm.web.page import Page

MANY_EPOCHS = 16
"""Passes over the data after which repeating it teaches next to nothing (Muennighoff et al., arXiv 2305.16264)."""


@dataclass(frozen=True)
class Summary:
    """What the page is drawn from, beside the metrics over time.

    Attributes:
        kept: folder or URL where checkpoints stay; empty: nowhere.
    """

    config: TrainStage
    architecture: Architecture
    execution: Execution
    position: Position
    metrics: Mapping[str, JsonValue]
    corpus_tokens: int
    kept: str = ""


def write_report(context: StageContext, summary: Summary) -> None:
    """Write `report/index.html`."""
    page = Page("Training", _subtitle(summary))
    page.facts(_facts(summary))
    for warning in warnings(summary):
        page.paragraph(warning)
    _incidents(page, context)
    lines = MetricLog.read(context.metrics.path)
    draw(page, lines, read_completions(context.out / COMPLETIONS), summary.config.train.currency)
    page.heading("Settings")
    page.table(["setting", "value"], _rows(summary))
    page.write(context.out / "report/index.html")


def warnings(summary: Summary) -> list[str]:
    """What a person should know about this run, in sentences."""
    found = []
    epochs = summary.metrics["epochs"]
    assert isinstance(epochs, float)
    if epochs > MANY_EPOCHS:
        found.append(
            f"The corpus was seen {epochs:.0f} times. Past about {MANY_EPOCHS} passes a model learns its corpus "
            "by heart: add sources, or lower train.steps."
        )
    if summary.position.resumed:
        steps = ", ".join(str(step) for step in summary.position.resumed)
        found.append(f"This run was interrupted and continued from its checkpoints at step {steps}.")
    if summary.position.moved:
        found.append(
            "It was continued on a machine or with a setting that computes in another way: its weights may differ in "
            "their last bits from those of a run that was not interrupted."
        )
    if summary.kept:
        found.append(f"Its checkpoints are kept in {summary.kept}: train.branch can start from each one.")
    if summary.position.heldout is None:
        found.append("Too little text is held out to measure on while training.")
    return found


def _subtitle(summary: Summary) -> str:
    tokens = summary.metrics["tokens"]
    assert isinstance(tokens, int)
    return f"{format_count(summary.architecture.parameters)} parameters, {format_count(tokens)} tokens"


def _facts(summary: Summary) -> dict[str, object]:
    metrics = summary.metrics
    seconds, flops = summary.position.seconds, metrics["flops"]
    assert isinstance(flops, float)
    return {
        "Bits per byte, held-out files": metrics["heldout_bits_per_byte"] or "not measured",
        "Loss": metrics["loss"],
        "Tokens": metrics["tokens"],
        "Passes over the corpus": metrics["epochs"],
        "Tokens per second": metrics["tokens_per_s"],
        "Time": format_seconds(seconds),
        "Operations": f"{format_count(flops)} FLOPs",
        "Operations per second": f"{format_count(flops / max(seconds, 1e-9))} FLOP/s",
    }


def _rows(summary: Summary) -> Sequence[tuple[str, str]]:
    """Everything the run depended on, one line each."""
    values: dict[str, object] = {}
    _flatten("train", summary.config.train.model_dump(mode="json"), values)
    _flatten("objectives", summary.config.objectives.model_dump(mode="json"), values)
    _flatten("model", summary.architecture.to_json(), values)
    values |= {
        "model.parameters": f"{summary.architecture.parameters:,}",
        "model.training_flops_per_token": f"{summary.architecture.training_flops_per_token:,}",
        "corpus.tokens": f"{summary.corpus_tokens:,}",
    }
    _flatten("execution", summary.execution.to_json(), values)
    return [(name, str(value)) for name, value in values.items()]


def _flatten(prefix: str, value: object, into: dict[str, object]) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _flatten(f"{prefix}.{name}", inner, into)
    elif value is not None:
        into[prefix] = value


def _incidents(page: Page, context: StageContext) -> None:
    """Links to the pages of steps that stood out (`ownlm.train.spikes`)."""
    found = sorted((context.out / "report/incidents").glob("step-*/index.html"))
    if found:
        page.heading("Incidents")
        for path in found:
            page.link(f"Step {int(path.parent.name.split('-')[1])}", f"incidents/{path.parent.name}/index.html")
