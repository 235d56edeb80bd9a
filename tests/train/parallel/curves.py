"""Loss curves of a tiny model in any layout: what the equality tests and the table compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ownlm.model.architecture import Architecture, Experts
from ownlm.model.decoder import IGNORED
from ownlm.tokens.shards.batches import Batch
from ownlm.train.config import OptimizerConfig, TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.parallel.layout import Layout, MeshLayout
from ownlm.train.parallel.place import place
from ownlm.train.step import Stepper

STEPS, ROWS, CONTEXT, VOCABULARY = 5, 8, 32, 331
Curve = list[tuple[float, float]]
"""Loss and length of the gradient, step by step; last the loss on rows that are not trained on, with 0."""


def architecture(**changes: Any) -> Architecture:
    settings = {"d_model": 32, "layers": 4, "heads": 4, "kv_heads": 2, "d_ff": 48, "tied": True} | changes
    if "experts" in settings:
        settings["experts"] = Experts(**settings["experts"])
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


def curve(
    layout: Layout, model: Architecture, optimizer: Mapping[str, Any], *, bf16: bool = False, compiled: bool = False
) -> Curve:
    """Train a few steps of two batches each."""
    execution = Execution("cpu", bf16=bf16, compiled=compiled, threads=1, machine="test")
    decoder, computation = place(model, TrainConfig(batch=ROWS), execution, layout)
    rule = Optimizer(decoder, OptimizerConfig.model_validate(optimizer))
    token_bytes = np.ones(VOCABULARY, dtype=np.int64)
    stepper = Stepper(decoder, rule, execution, 0.5, token_bytes, layout, computation)
    points = []
    for step in range(STEPS):
        seen = stepper.step([mine(batch(2 * step), layout), mine(batch(2 * step + 1), layout)], 1.0)
        points.append((seen.loss, seen.grad_norm))
    held = stepper.evaluate([layout.part(batch(1000, rows=5), ROWS)])
    return [*points, (held.loss, 0.0)]


def write_curves(folder: Path, layouts: Sequence[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]) -> None:
    """In a process of a group: `folder/NAME.json` for each (name, mesh, architecture, settings of `curve`)."""
    for name, mesh, model, settings in layouts:
        layout = MeshLayout(MeshConfig.model_validate(mesh), "cpu")
        torch.manual_seed(0)
        points = curve(layout, architecture(**model), **settings)
        if layout.is_first:
            (folder / f"{name}.json").write_text(json.dumps(points))


def difference(one: Curve, other: Curve) -> tuple[float, float]:
    """The largest difference of losses, and of gradients' lengths."""
    pairs = list(zip(one, other, strict=True))
    return max(abs(a[0] - b[0]) for a, b in pairs), max(abs(a[1] - b[1]) for a, b in pairs)
