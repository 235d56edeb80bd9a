"""The learning rate over the steps, as a part of its peak: pure functions of the step.

warm-up + cosine        warm-up-stable-decay      linear
   _                       _________               .
  / \\                     /         \\             / `-.
 /   `-.__               /           \\           /     `-.
"""

from __future__ import annotations

import math

from ownlm.train.config import CosineConfig, LinearConfig, ScheduleConfig, WarmupStableDecayConfig


def learning_rate(config: ScheduleConfig, step: int, steps: int) -> float:
    """The factor on the peak learning rate in a step, in (0, 1].

    Args:
        config: which schedule.
        step: steps already done, 0 .. steps - 1.
        steps: all steps of the run.
    """
    if config.cosine is not None:
        return _cosine(config.cosine, step, steps)
    if config.linear is not None:
        return _linear(config.linear, step, steps)
    assert config.wsd is not None
    return _warmup_stable_decay(config.wsd, step, steps)


def _warmup(warmup_steps: int, step: int) -> float:
    """1 / warmup_steps in the first step, 1 from the last step of the warm-up on."""
    return min(1.0, (step + 1) / max(1, warmup_steps))


def _cosine(config: CosineConfig, step: int, steps: int) -> float:
    if step < config.warmup_steps:
        return _warmup(config.warmup_steps, step)
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    return config.floor + (1 - config.floor) * (1 + math.cos(math.pi * done)) / 2


def _linear(config: LinearConfig, step: int, steps: int) -> float:
    """Falls from the first step after the warm-up on; the last step has one part of the way down left."""
    left = min(1.0, (steps - step) / max(1, steps - config.warmup_steps))
    return _warmup(config.warmup_steps, step) * (config.floor + (1 - config.floor) * left)


def _warmup_stable_decay(config: WarmupStableDecayConfig, step: int, steps: int) -> float:
    """The last step has 1 / (length of the decay) of the way down left, so that none is wasted at zero."""
    left = steps - step
    length = config.decay * steps
    falling = 1.0 if left >= length else config.floor + (1 - config.floor) * left / length
    return _warmup(config.warmup_steps, step) * falling
