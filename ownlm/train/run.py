"""The train stage: shards and a vocabulary -> a trained model.

    shards/train ──► Batches ──► Trainer ──► model.safetensors, model.json, metrics.jsonl, report/
    shards/heldout_files ──► a few fixed batches, measured now and then

Killed at any moment, the same call continues from the newest checkpoint in the stage's scratch folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing, nullcontext

import numpy as np
import torch
from pydantic import JsonValue

from ownlm.errors import CorpusError
from ownlm.model.config import Architecture
from ownlm.model.load import save_weights
from ownlm.pipeline.stage import StageContext
from ownlm.recipe.base import canonical_json
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.average import Average
from ownlm.train.branch import decaying_from
from ownlm.train.checkpoint import CheckpointFolder, open_checkpoint
from ownlm.train.config import NOT_KEYED, TrainConfig, TrainStage
from ownlm.train.execution import choose_execution, deterministic
from ownlm.train.heldout import heldout_batches
from ownlm.train.fault.heartbeat import FAULTS, Heartbeat
from ownlm.train.fault.stop import StopSignals
from ownlm.train.loop import Trainer
from ownlm.train.monitor.monitors import Monitors
from ownlm.train.monitor.stopwatch import Stopwatch
from ownlm.train.observer import Observer, Parts
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.check import check_mesh
from ownlm.train.parallel.launch import launch
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.muon import orthogonalizer
from ownlm.train.parallel.place import place
from ownlm.train.parallel.state import whole
from ownlm.train.position import Position
from ownlm.train.report import Summary, write_report
from ownlm.train.resume import RunState
from ownlm.train.spikes.observers import spike_observers
from ownlm.train.step import Stepper


def train(context: StageContext) -> Mapping[str, JsonValue]:
    """Train a model; see the module's docstring.

    Returns:
        loss, bits_per_byte (of the last log interval), heldout_bits_per_byte, parameters, tokens, epochs, flops,
        seconds, tokens_per_s.

    Raises:
        CorpusError: when there are too few tokens for the context or for one step's batch.
        RecipeError: when the model's numbers do not fit together.
        ArtifactError: when the shards or the vocabulary are damaged.
        TrainingError: when the loss is not a number, or the device refuses.
        StorageError: when the disk is full; the last checkpoint stays.
    """
    config = context.config
    assert isinstance(config, TrainStage)
    if config.train.mesh.places > 1:
        vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
        check_mesh(config.train, config.model.architecture(vocabulary.size, config.context))
        return launch(context)
    return train_in(context, Layout())


def train_in(context: StageContext, layout: Layout) -> Mapping[str, JsonValue]:
    """Train as one process of a layout; only the first writes. Args and errors are those of `train`."""
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
    with deterministic(execution):
        torch.manual_seed(settings.seed)  # nothing draws from it today; should something ever, it is repeatable
        decoder, computation = place(architecture, settings, execution, layout)
        optimizer = Optimizer(decoder, settings.optimizer, orthogonalizer(layout))
        average = None if settings.average is None else Average(decoder, settings.average)
        token_bytes = np.array([len(token) for token in vocabulary.token_bytes], dtype=np.int64)
        branch = None if settings.branch is None else open_checkpoint(settings.branch)
        if branch is not None:
            schedule = decaying_from(settings.schedule, branch.step, settings.steps)
            settings = settings.model_copy(update={"schedule": schedule})
        heldout = [layout.part(one, settings.batch) for one in heldout_batches(context, vocabulary)]
        clock = Stopwatch()
        fingerprint = _fingerprint(context, config, architecture, vocabulary)
        observers = observers_of(
            Parts(
                context,
                settings,
                layout,
                execution,
                vocabulary,
                reader,
                batches,
                decoder,
                optimizer,
                computation,
                heldout,
                clock,
                fingerprint,
            )
        )
        signals = StopSignals(layout)
        heartbeat = Heartbeat(context.scratch / FAULTS, layout.rank, settings.fault.hang_after_s)
        observers = [heartbeat, *observers, signals]
        state = RunState(
            decoder=decoder,
            optimizer=optimizer,
            average=average,
            checkpoints=_checkpoints(context, fingerprint, layout),
            metrics=context.metrics,
            execution=execution,
            layout=layout,
            branch=branch,
            origin=_origin(context, config, architecture, vocabulary),
            observers=observers,
        )
        trainer = Trainer(
            config=settings,
            batches=batches,
            heldout=heldout,
            stepper=Stepper(decoder, optimizer, execution, settings.clip, token_bytes, layout, computation),
            optimizer=optimizer,
            state=state,
            metrics=context.metrics,
            progress=context.progress,
            observers=observers,
            average=average,
            layout=layout,
            clock=clock,
        )
        with heartbeat.watching(), signals.listening(), closing(state):
            position = trainer.run()
    with average.applied() if average is not None else nullcontext():
        weights = whole(decoder, decoder.state_dict(), layout)
        if layout.is_first:
            save_weights(architecture, weights, context.out)
    metrics = _headline(position, architecture, tokens, flops, batches.windows * config.context)
    if layout.is_first:
        write_report(context, Summary(config, architecture, execution, position, metrics, reader.total_tokens))
        context.metrics.summary(metrics)
    return metrics


def observers_of(parts: Parts) -> list[Observer]:
    """What watches this run, in the order in which it is asked. Monitors come first: they read what a step left."""
    monitor = parts.settings.monitor
    return [*([] if monitor is None else [Monitors(parts, monitor)]), *spike_observers(parts)]


def _checkpoints(context: StageContext, fingerprint: str, layout: Layout) -> CheckpointFolder:
    """In the scratch folder; elsewhere every run has a folder of its own."""
    assert isinstance(context.config, TrainStage)
    rule = context.config.train.checkpoints
    where = f"{rule.to.rstrip('/')}/run-{fingerprint[:16]}" if rule.to else context.scratch / "checkpoints"
    return CheckpointFolder(where, fingerprint, rule, layout)


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


def _fingerprint(context: StageContext, config: TrainStage, architecture: Architecture, vocabulary: Vocabulary) -> str:
    """Of all that the weights depend on: a checkpoint of anything else is not continued."""
    values = {
        "config": config.model_dump(mode="json", exclude={"train": NOT_KEYED}),
        "architecture": architecture.to_json(),
        "vocabulary": vocabulary.content,
        "shards": context.inputs["shards"].manifest.content,
    }
    return hashlib.sha256(canonical_json(values).encode("utf-8")).hexdigest()


def _origin(context: StageContext, config: TrainStage, architecture: Architecture, vocabulary: Vocabulary) -> str:
    """Of the model, the data in their order, and what the optimizer remembers: equal in a run and its branches."""
    train = config.train
    values = {
        "objectives": config.objectives.model_dump(mode="json"),
        "batches": [train.batch, train.accumulate, train.batch_warmup, train.seed],
        "optimizer": train.optimizer.model_dump(mode="json"),
        "architecture": architecture.to_json(),
        "vocabulary": vocabulary.content,
        "shards": context.inputs["shards"].manifest.content,
    }
    return hashlib.sha256(canonical_json(values).encode("utf-8")).hexdigest()


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
