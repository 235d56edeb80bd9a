"""Loss curves of a tiny model in any layout: what the equality tests and the table compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import distributed

from ownlm.model.architecture import Architecture, Experts, StateSpace
from ownlm.model.decoder import IGNORED
from ownlm.tokens.shards.batches import Batch
from ownlm.train.config import OptimizerConfig, TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.parallel.layout import Layout, MeshLayout
from ownlm.train.parallel.muon import orthogonalizer
from ownlm.train.parallel.place import place
from ownlm.train.step import Stepper
from tests.train.parallel.layouts import Case

FLOAT32, BF16 = (5e-7, 2e-6), (4e-5, 1e-3)
ROWS, CONTEXT, VOCABULARY = 8, 32, 331
Curve = list[tuple[float, float]]
"""Loss and length of the gradient, step by step; last the loss on rows that are not trained on, with 0."""


def architecture(**changes: Any) -> Architecture:
    settings = {"d_model": 32, "layers": 4, "heads": 4, "kv_heads": 2, "d_ff": 48, "tied": True} | changes
    if "experts" in settings:
        settings["experts"] = Experts(**settings["experts"])
    if "state_space" in settings:
        settings["state_space"] = StateSpace(**settings["state_space"])
    return Architecture(vocab_size=VOCABULARY, context=CONTEXT, **settings)


def batch(number: int, rows: int = ROWS) -> Batch:
    """Rows with several documents and very different numbers of labels."""
    draw = np.random.default_rng(number)
    tokens_BL = draw.integers(0, VOCABULARY, (rows, CONTEXT))
    ignored_B1 = np.linspace(0.0, 0.8, rows)[:, None]
    labels_BL = np.where(draw.random((rows, CONTEXT)) < ignored_B1, IGNORED, np.roll(tokens_BL, -1, axis=1))
    segments_BL = np.cumsum(draw.random((rows, CONTEXT)) < 0.1, axis=1).astype(np.int32)
    return Batch(tokens_BL, labels_BL, segments_BL)


def mine(whole: Batch, layout: Layout) -> Batch:
    rows = layout.rows(len(whole.tokens_BL))
    return Batch(*(array[rows.start : rows.stop] for array in (whole.tokens_BL, whole.labels_BL, whole.segments_BL)))


class Run:
    """A few steps of a model in a layout, two batches each."""

    def __init__(
        self,
        layout: Layout,
        model: Architecture,
        optimizer: Mapping[str, Any],
        *,
        bf16: bool = False,
        z_loss: float = 0.0,
    ) -> None:
        execution = Execution("cpu", bf16=bf16, compiled=False, threads=1, machine="test")
        self.layout = layout
        self.decoder, computation = place(model, TrainConfig(batch=ROWS, z_loss=z_loss), execution, layout)
        self.rule = Optimizer(self.decoder, OptimizerConfig.model_validate(optimizer), orthogonalizer(layout))
        token_bytes = np.ones(VOCABULARY, dtype=np.int64)
        self.stepper = Stepper(self.decoder, self.rule, execution, 0.5, token_bytes, layout, computation)

    def step(self, number: int) -> tuple[float, float]:
        seen = self.stepper.step([mine(batch(2 * number + part), self.layout) for part in (0, 1)], 1.0)
        return seen.loss, seen.grad_norm

    def measure(self) -> float:
        return self.stepper.evaluate([self.layout.part(batch(1000, rows=5), ROWS)]).loss


def curve(layout: Layout, model: Architecture, steps: int, **settings: Any) -> Curve:
    run = Run(layout, model, **settings)
    return [*(run.step(number) for number in range(steps)), (run.measure(), 0.0)]


def alone(case: Case, steps: int) -> Curve:
    """Of one process."""
    return curve(Layout(), architecture(**case.model), steps, **case.settings)


def write_curves(folder: Path, cases: Sequence[Case], steps: int) -> None:
    """In a process of a group: `folder/N.json` for each case."""
    for number, case in enumerate(cases):
        layout = MeshLayout(MeshConfig.model_validate(case.mesh), "cpu")
        points = curve(layout, architecture(**case.model), steps, **case.settings)
        if distributed.get_rank() == 0:
            (folder / f"{number}.json").write_text(json.dumps(points))


def read_curve(folder: Path, number: int) -> Curve:
    return [(loss, norm) for loss, norm in json.loads((folder / f"{number}.json").read_text())]


def differences(one: Curve, other: Curve) -> tuple[float, float]:
    """The largest difference of losses, and of gradients' lengths, each as a part of what it should be."""
    losses = [abs(a[0] - b[0]) / a[0] for a, b in zip(one, other, strict=True)]
    norms = [abs(a[1] - b[1]) / a[1] for a, b in zip(one[:-1], other[:-1], strict=True)]
    return max(losses), max(norms)


def allowed(case: Case) -> tuple[float, float]:
    """What these may be."""
    return BF16 if case.bf16 else FLOAT32
