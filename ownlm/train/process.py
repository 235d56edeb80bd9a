"""Training in one process, alone or as a place of a mesh: shards and a vocabulary -> a trained model.

    shards/train ──► Batches ──► Trainer ──► model.safetensors, model.json, metrics.jsonl, report/
    shards/heldout_files ──► a few fixed batches, measured now and then

Killed at any moment, the same call continues from the newest checkpoint in the stage's scratch folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, nullcontext

import numpy as np
import torch
from pydantic import JsonValue

from ownlm.errors import CorpusError
from ownlm.model.config import Architecture
from ownlm.model.load import save_weights
from ownlm.pipeline.stage import StageContext
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.average import Average
from ownlm.train.branch import decaying_from
from ownlm.train.checkpoint import CheckpointFolder, Stored, open_checkpoint
from ownlm.train.config import TrainConfig, TrainStage
from ownlm.train.execution import Execution, choose_execution, deterministic
from ownlm.train.fault.heartbeat import FAULTS, Heartbeat
from ownlm.train.fault.stop import StopSignals
from ownlm.train.heldout import heldout_batches
from ownlm.train.identity import fingerprint, kept_at, origin
from ownlm.train.loop import Trainer
from ownlm.train.monitor.monitors import Monitors
from ownlm.train.observer import Observer, Parts
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.muon import orthogonalizer
from ownlm.train.parallel.place import place
from ownlm.train.parallel.state import whole
from ownlm.train.planning.here import check_memory
from ownlm.train.position import Position
from ownlm.train.report import Summary, write_report
from ownlm.train.resume import RunState
from ownlm.train.spikes.observers import spike_observers
from ownlm.train.step import Stepper


def train_in(context: StageContext, layout: Layout) -> Mapping[str, JsonValue]:
    """Train as one process of a layout; only the first writes. Args and errors are those of `ownlm.train.run.train`."""
    config = context.config
    assert isinstance(config, TrainStage)
    settings = config.train
    vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
    reader = ShardReader(context.inputs["shards"].file("train"), cache=context.cache)
    batches = Batches(reader, config.objectives, vocabulary, config.context, settings.batch_sizes(), settings.seed)
    _check_enough(batches, settings, reader)
    architecture = config.model.architecture(vocabulary.size, config.context)
    tokens = settings.all_windows() * config.context
    flops = float(architecture.training_flops_per_token * tokens)
    execution = choose_execution(settings, flops)
    check_memory(architecture, settings, execution)
    with deterministic(execution):
        torch.manual_seed(settings.seed)  # nothing draws from it today; should something ever, it is repeatable
        branch = None if settings.branch is None else open_checkpoint(settings.branch)
        parts = _parts(context, layout, execution, vocabulary, reader, batches, branch)
        average = None if settings.average is None else Average(parts.decoder, settings.average)
        position = _fit(parts, average, branch)
    with average.applied() if average is not None else nullcontext():
        weights = whole(parts.decoder, parts.decoder.state_dict(), layout)
        if layout.is_first:
            save_weights(architecture, weights, context.out)
    metrics = _headline(position, architecture, tokens, flops, batches.windows * config.context)
    if layout.is_first:
        kept = kept_at(settings.checkpoints.to, parts.fingerprint)
        write_report(context, Summary(config, architecture, execution, position, metrics, reader.total_tokens, kept))
        context.metrics.summary(metrics)
    return metrics


def _parts(
    context: StageContext,
    layout: Layout,
    execution: Execution,
    vocabulary: Vocabulary,
    reader: ShardReader,
    batches: Batches,
    branch: Stored | None,
) -> Parts:
    """What is trained, and with what: a fresh decoder, its optimizer, the settings as they hold for a branch."""
    config = context.config
    assert isinstance(config, TrainStage)
    settings = config.train
    if branch is not None:
        schedule = decaying_from(settings.schedule, branch.step, settings.steps)
        settings = settings.model_copy(update={"schedule": schedule})
    architecture = config.model.architecture(vocabulary.size, config.context)
    decoder, computation = place(architecture, settings, execution, layout)
    return Parts(
        context=context,
        settings=settings,
        layout=layout,
        execution=execution,
        vocabulary=vocabulary,
        reader=reader,
        batches=batches,
        decoder=decoder,
        optimizer=Optimizer(decoder, settings.optimizer, orthogonalizer(layout)),
        computation=computation,
        heldout=[layout.part(one, settings.batch) for one in heldout_batches(context, vocabulary)],
        fingerprint=fingerprint(context, config, architecture, vocabulary),
    )


def _fit(parts: Parts, average: Average | None, branch: Stored | None) -> Position:
    """Train them to the last step; see `Trainer.run`."""
    context, settings, layout = parts.context, parts.settings, parts.layout
    config = context.config
    assert isinstance(config, TrainStage)
    signals = StopSignals(layout)
    heartbeat = Heartbeat(context.scratch / FAULTS, layout.rank, settings.fault.hang_after_s)
    observers = [heartbeat, *observers_of(parts), signals]
    state = RunState(
        decoder=parts.decoder,
        optimizer=parts.optimizer,
        average=average,
        checkpoints=_checkpoints(parts),
        metrics=context.metrics,
        execution=parts.execution,
        layout=layout,
        branch=branch,
        origin=origin(context, config, parts.decoder.architecture, parts.vocabulary),
        observers=observers,
    )
    lengths = np.array([len(token) for token in parts.vocabulary.token_bytes], dtype=np.int64)
    stepper = Stepper(
        parts.decoder, parts.optimizer, parts.execution, settings.clip, lengths, layout, parts.computation
    )
    trainer = Trainer(
        config=settings,
        batches=parts.batches,
        heldout=parts.heldout,
        stepper=stepper,
        optimizer=parts.optimizer,
        state=state,
        metrics=context.metrics,
        progress=context.progress,
        observers=observers,
        average=average,
        layout=layout,
        clock=parts.clock,
    )
    with heartbeat.watching(), signals.listening(), closing(state):
        return trainer.run()


def observers_of(parts: Parts) -> list[Observer]:
    """What watches this run, in the order in which it is asked. Monitors come first: they read what a step left."""
    monitor = parts.settings.monitor
    return [*([] if monitor is None else [Monitors(parts, monitor)]), *spike_observers(parts)]


def _checkpoints(parts: Parts) -> CheckpointFolder:
    """In the scratch folder, or where the recipe keeps them."""
    where = kept_at(parts.settings.checkpoints.to, parts.fingerprint) or parts.context.scratch / "checkpoints"
    return CheckpointFolder(where, parts.fingerprint, parts.settings.checkpoints, parts.layout)


def _check_enough(batches: Batches, settings: TrainConfig, reader: ShardReader) -> None:
    """One step must not show a window twice."""
    needed = settings.windows
    if batches.windows < needed:
        raise CorpusError(
            f"the training documents have {batches.windows} windows of {batches.context} tokens; "
            f"one step wants {needed} (batch {settings.batch} x accumulate {settings.accumulate})",
            where=reader.where,
            advice="add sources, or lower train.batch or train.accumulate",
        )


def _headline(
    position: Position, architecture: Architecture, tokens: int, flops: float, epoch_tokens: int
) -> dict[str, JsonValue]:
    assert position.loss is not None
    heldout = None if position.heldout is None else round(position.heldout.bits_per_byte, 4)
    return {
        "loss": round(position.loss.loss, 4),
        "bits_per_byte": round(position.loss.bits_per_byte, 4),
        "heldout_bits_per_byte": heldout,
        "parameters": architecture.parameters,
        "tokens": tokens,
        "epochs": round(tokens / epoch_tokens, 3),
        "flops": flops,
        "seconds": round(position.seconds, 1),
        "tokens_per_s": round(tokens / max(position.seconds, 1e-9), 1),
    }
