"""Learning speed: bits per byte on held-out packages after some minutes here, for three ways to train one model.

    python benchmarks/learn.py SHARDS VOCABULARY --minutes 5     # artifacts of a run of recipes/quickstart.yaml
    python benchmarks/learn.py SHARDS VOCABULARY --steps 200     # equal steps, not equal time: on a busy machine

    ownlm, muon       the train stage's loop, as the quick start has it
    ownlm, adamw      the same with AdamW
    Hugging Face      transformers' Llama in its Trainer: AdamW, linear schedule, the learning rate given

All have the same shape, vocabulary, batch and windows in the same order, predict next tokens only, and are measured by
the same code on windows of whole held-out packages. Each is alone while it trains. How many steps fit into the time is
found out first from a few timed ones, start-up and compiling counted, and the schedule is laid out over those.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from train import llama

from ownlm.model.config import SIZES, Architecture, ModelConfig
from ownlm.model.decoder import Decoder
from ownlm.pipeline.progress import SilentProgress
from ownlm.pipeline.tracking.log import MetricLog
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.checkpoint import CheckpointFolder
from ownlm.train.config import TrainConfig
from ownlm.train.execution import choose_execution, deterministic
from ownlm.train.loop import Trainer
from ownlm.train.observer import Observer
from ownlm.train.optimizers import Optimizer
from ownlm.train.parallel.layout import Layout
from ownlm.train.parallel.place import place
from ownlm.train.resume import RunState
from ownlm.train.step import Stepper

TIMED = 8
"""Steps from which the speed is known."""

MEASURED = 64
"""Batches of held-out windows."""

PLAIN = ObjectivesConfig(fill_in_the_middle=None)


@dataclass(frozen=True)
class Setting:
    """What all have in common."""

    architecture: Architecture
    shards: Path
    vocabulary: Vocabulary
    batch: int
    steps: int

    def batches(self, split: str) -> Batches:
        """Windows of a split, in their order."""
        reader = ShardReader(self.shards / split)
        return Batches(reader, PLAIN, self.vocabulary, self.architecture.context, self.batch, 0)


def ours(setting: Setting, optimizer: dict[str, Any], ended: Callable[[], None]) -> dict[str, Tensor]:
    """The loop of the train stage; the trained weights."""

    class Pace(Observer):
        def after_step(self, position: object, seen: object, batches: object) -> None:
            ended()

    config = TrainConfig.model_validate(
        {
            "steps": setting.steps, "batch": setting.batch, "optimizer": optimizer, "checkpoints": {"every": 10**6},
            "schedule": {"wsd": {"warmup_steps": max(1, setting.steps // 20), "decay": 0.5}},
        }
    )  # fmt: skip
    batches = setting.batches("train")
    tokens = config.all_windows() * setting.architecture.context
    execution = choose_execution(config, float(setting.architecture.training_flops_per_token * tokens))
    with tempfile.TemporaryDirectory() as name, deterministic(execution):
        decoder, computation = place(setting.architecture, config, execution, Layout())
        rule, metrics = Optimizer(decoder, config.optimizer), MetricLog(Path(name) / "metrics.jsonl")
        sizes = np.array([len(token) for token in setting.vocabulary.token_bytes], dtype=np.int64)
        stepper = Stepper(decoder, rule, execution, config.clip, sizes, Layout(), computation)
        state = RunState(decoder, rule, None, CheckpointFolder(Path(name) / "c", ""), metrics, execution, Layout())
        Trainer(config, batches, [], stepper, rule, state, metrics, SilentProgress(), [Pace()]).run()
    return decoder.state_dict()


def theirs(setting: Setting, rate: float, ended: Callable[[], None]) -> dict[str, Tensor]:
    """transformers' Trainer; the trained weights under our names."""
    from transformers import Trainer as TheirTrainer
    from transformers import TrainerCallback, TrainingArguments

    batches = setting.batches("train")

    class Pace(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            ended()

    class Rows(torch.utils.data.IterableDataset[dict[str, Tensor]]):
        def __iter__(self) -> Any:
            for step in range(setting.steps):
                for tokens_L in torch.from_numpy(batches.batch(step).tokens_BL):
                    yield {"input_ids": tokens_L, "labels": tokens_L}

    torch.manual_seed(0)
    model: Any = llama(setting.architecture)
    with tempfile.TemporaryDirectory() as name:
        arguments = TrainingArguments(
            output_dir=name,
            max_steps=setting.steps,
            per_device_train_batch_size=setting.batch,
            learning_rate=rate,
            warmup_steps=max(1, setting.steps // 20),
            weight_decay=0.1,
            adam_beta2=0.95,
            optim="adamw_torch_fused",
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_steps=10**6,
        )
        TheirTrainer(model, arguments, train_dataset=Rows(), callbacks=[Pace()]).train()
    return {name.removeprefix("model."): weight for name, weight in model.state_dict().items()}


def bits_per_byte(setting: Setting, weights: dict[str, Tensor]) -> float:
    """On windows of the held-out packages, the same for all."""
    decoder = Decoder(setting.architecture)
    decoder.load_state_dict(weights)
    execution = choose_execution(TrainConfig(compile="off", precision="fp32"), 0.0)
    sizes = np.array([len(token) for token in setting.vocabulary.token_bytes], dtype=np.int64)
    held = setting.batches("heldout_repos")
    stepper = Stepper(decoder, Optimizer(decoder, TrainConfig().optimizer), execution, 1.0, sizes)
    steps = range(min(MEASURED, held.windows // setting.batch))
    return stepper.evaluate([held.batch(step) for step in steps]).bits_per_byte


def run(
    train: Callable[[Setting, Callable[[], None]], dict[str, Tensor]], setting: Setting, seconds: float | None
) -> tuple[int, float, dict[str, Tensor]]:
    """Train for a time, or for the setting's steps: steps, seconds, weights."""
    if seconds is not None:
        first, times = _timed(train, replace(setting, steps=TIMED))
        fitting = (seconds - first) / statistics.median(times)
        setting = replace(setting, steps=max(TIMED, int(fitting)))
    started = time.perf_counter()
    weights = train(setting, lambda: None)
    return setting.steps, time.perf_counter() - started, weights


def _timed(
    train: Callable[[Setting, Callable[[], None]], dict[str, Tensor]], setting: Setting
) -> tuple[float, list[float]]:
    """Seconds up to the end of the first step, and of each later one."""
    ends = [time.perf_counter()]
    train(setting, lambda: ends.append(time.perf_counter()))
    return ends[1] - ends[0], [later - earlier for earlier, later in pairwise(ends[1:])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("vocabulary", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--steps", type=int, default=0, help="equal steps in place of equal minutes")
    parser.add_argument("--size", default="0.8m", choices=list(SIZES))
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--muon", type=float, default=1e-2, help="learning rate of the matrices")
    parser.add_argument("--embeddings", type=float, default=2e-2, help="learning rate of embeddings beside Muon")
    parser.add_argument("--adamw", type=float, default=3e-3, help="learning rate of ours with AdamW")
    parser.add_argument("--theirs", type=float, default=3e-3, help="learning rate of Hugging Face's")
    parser.add_argument("--only", nargs="*", help="of the three")
    given = parser.parse_args()
    vocabulary = Vocabulary.load(given.vocabulary)
    architecture = ModelConfig(size=given.size).architecture(vocabulary.size, given.context)
    setting = Setting(architecture, given.shards, vocabulary, given.batch, given.steps)
    muon = {"muon": {"lr": given.muon, "embeddings": {"lr": given.embeddings, "weight_decay": 0.0}}}
    adamw = {"adamw": {"lr": given.adamw}}
    ways: dict[str, Callable[[Setting, Callable[[], None]], dict[str, Tensor]]] = {
        "ownlm, muon": lambda setting, ended: ours(setting, muon, ended),
        "ownlm, adamw": lambda setting, ended: ours(setting, adamw, ended),
        "Hugging Face": lambda setting, ended: theirs(setting, given.theirs, ended),
    }
    print(f"{architecture.parameters:,} parameters, {setting.batch} x {architecture.context} tokens a step")
    for name, train in ways.items():
        if given.only and name not in given.only:
            continue
        try:
            steps, seconds, weights = run(train, setting, None if given.steps else 60 * given.minutes)
        except ImportError as error:
            print(f"{name:14} absent: {error}")
            continue
        bits, tokens = bits_per_byte(setting, weights), steps * setting.batch * architecture.context
        print(f"{name:14} {bits:.3f} bits per byte, {steps} steps, {tokens / 1e6:.2f} M tokens, {seconds:.0f} s")


if __name__ == "__main__":
    main()
