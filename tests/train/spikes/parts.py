"""The parts of a run over the poisoned corpus, in any layout, without its loop."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.config import TrainStage
from ownlm.train.execution import Execution
from ownlm.train.observer import Parts
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.parallel.gradients import local
from ownlm.train.parallel.layout import Layout, MeshLayout
from ownlm.train.parallel.place import place
from ownlm.train.spikes import measure
from ownlm.train.spikes.documents import documents_in, mask_of
from ownlm.train.step import Measured, Stepper
from tests.train.inputs import stage_context

STEP = 30
"""The data step that is looked into; few steps were trained before."""


@dataclass(frozen=True)
class Run:
    """A run's parts and what does its steps."""

    parts: Parts
    stepper: Stepper

    def gradient(self, data_step: int) -> Measured:
        """As the loop does it."""
        return self.stepper.gradient([batch for _, batch in measure.passes(self.parts, data_step)])


def make_run(inputs: Path, work: Path, config: TrainStage, layout: Layout) -> Run:
    context = stage_context(inputs, work, config)
    settings = config.train
    vocabulary = Vocabulary.load(inputs / "vocabulary")
    reader = ShardReader(inputs / "shards" / "train")
    batches = Batches(reader, config.objectives, vocabulary, config.context, settings.batch_sizes(), settings.seed)
    execution = Execution("cpu", bf16=False, compiled=False, threads=1, machine="test")
    architecture = config.model.architecture(vocabulary.size, config.context)
    decoder, computation = place(architecture, settings, execution, layout)
    optimizer = Optimizer(decoder, settings.optimizer)
    sizes = np.array([len(token) for token in vocabulary.token_bytes], dtype=np.int64)
    stepper = Stepper(decoder, optimizer, execution, settings.clip, sizes, layout, computation)
    parts = Parts(
        context, settings, layout, execution, vocabulary, reader, batches, decoder, optimizer, computation, []
    )
    return Run(parts, stepper)


def look(run: Run, data_step: int = STEP) -> dict[str, Any]:
    """Train a little, then take a step apart: what must not depend on the layout."""
    for step in range(3):
        run.gradient(step)
        run.stepper.update(0.1)
    seen = run.gradient(data_step)
    gradient = measure.current(run.parts)
    before = {weight: local(grad).clone() for weight, grad in gradient.items()}
    nats_RL = measure.token_losses(run.parts, data_step)
    documents = documents_in(run.parts, data_step, nats_RL)
    labels_RL = run.parts.batches.batch(data_step).labels_BL
    scale = min(1.0, run.parts.settings.clip / (seen.grad_norm + 1e-6))
    masks = [mask_of(one, labels_RL) for one in documents]
    pulls = measure.pulls(run.parts, data_step, masks, seen.labels, gradient, scale)
    layers = measure.layer_norms(run.parts, gradient, scale)
    after = measure.current(run.parts)
    assert all(torch.equal(local(after[weight]), grad) for weight, grad in before.items())
    run.stepper.drop()
    again = run.gradient(data_step)
    assert (again.nats, again.grad_norm) == (seen.nats, seen.grad_norm)
    return {
        "nats": seen.nats,
        "norm": seen.grad_norm,
        "labels": seen.labels,
        "tokens": nats_RL.tolist(),
        "documents": [[one.span.path, one.labels, one.nats] for one in documents],
        "pulls": [[pull.norm, pull.share] for pull in pulls],
        "layers": layers,
        "length": math.sqrt(sum(length**2 for length in layers.values())),
    }


def write_looks(folder: Path, inputs: Path, config: TrainStage, meshes: list[dict[str, Any]]) -> None:
    """In a process of a group: `folder/N.json` for each mesh."""
    for number, mesh in enumerate(meshes):
        layout = MeshLayout(MeshConfig.model_validate(mesh), "cpu")
        found = look(make_run(inputs, folder / f"work-{number}-{layout.rank}", config, layout))
        if layout.is_first:
            (folder / f"{number}.json").write_text(json.dumps(found))
