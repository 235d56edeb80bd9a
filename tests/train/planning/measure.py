"""The real peak of a training step: every allocation and release of torch's CPU allocator, as its profiler saw them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from torch.profiler import ProfilerActivity, profile

from ownlm.model.architecture import Architecture
from ownlm.tokens.shards.batches import Batch
from ownlm.train.average import Average
from ownlm.train.config import TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.place import place
from ownlm.train.planning.memory import training_memory
from ownlm.train.step import Stepper
from tests.train.planning.cases import CASES, architecture


def measured(model: Architecture, train: TrainConfig, *, bf16: bool) -> int:
    """Bytes of weights, the optimizer's state and the mean, and the most that a second step needs on top of them."""
    execution = Execution("cpu", bf16, False, 1, "test")
    decoder, computation = place(model, train, execution, Layout())
    optimizer = Optimizer(decoder, train.optimizer)
    average = None if train.average is None else Average(decoder, train.average)
    token_bytes = np.ones(model.vocab_size, dtype=np.int64)
    stepper = Stepper(decoder, optimizer, execution, train.clip, token_bytes, Layout(), computation)
    batches = [_batch(model, train.batch, seed) for seed in range(train.accumulate)]
    stepper.step([_batch(model, 1, seed=0)], 1.0)  # makes what is kept from step to step; a row is enough for that
    kept = [*decoder.parameters(), *optimizer.state().values(), *(average.state().values() if average else ())]
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        stepper.step(batches, 1.0)
    return sum(tensor.numel() * tensor.element_size() for tensor in kept) + _highest(seen)


def _batch(model: Architecture, rows: int, seed: int) -> Batch:
    draw = np.random.default_rng(seed)
    tokens_BL = draw.integers(0, model.vocab_size, (rows, model.context))
    segments_BL = np.zeros_like(tokens_BL)
    segments_BL[:, model.context // 2 :] = 1
    return Batch(tokens_BL, tokens_BL, segments_BL)


def _highest(seen: Any) -> int:
    changes: list[tuple[int, int]] = []

    def walk(events: Any) -> None:
        for event in events:
            kind, fields = event.typed
            if str(kind).endswith("Allocation"):
                changes.append((event.start_time_ns, fields.alloc_size))
            walk(event.children)

    walk(seen.profiler.kineto_results.experimental_event_tree())
    now = most = 0
    for _, size in sorted(changes, key=lambda change: change[0]):
        now += size
        most = max(most, now)
    return most


def main() -> None:
    """Print the table of docs/planning.md."""
    print("| model | training | precision | estimate, MB | measured, MB | off |\n|---|---|---|---:|---:|---:|")
    for model, settings in CASES:
        for bf16 in (False, True):
            shape, train = architecture(model), TrainConfig.model_validate({"optimizer": "adamw"} | settings)
            estimate, real = training_memory(shape, train, bf16=bf16).peak, measured(shape, train, bf16=bf16)
            words = [
                ", ".join(f"{key} {value}" for key, value in part.items()) or "llama" for part in (model, settings)
            ]
            figures = f"{estimate / 1e6:.1f} | {real / 1e6:.1f} | {estimate / real - 1:+.1%}"
            print(f"| {words[0]} | {words[1]} | {'bf16' if bf16 else 'fp32'} | {figures} |")


if __name__ == "__main__":
    sys.exit(main())
