"""Who watches a run for spikes: the watch; in a replay, what stops at the step that is asked for."""

from __future__ import annotations

from ownlm.train.observer import Observer, Parts
from ownlm.train.spikes.replay import Replay, read_request
from ownlm.train.spikes.watch import SpikeWatch


def spike_observers(parts: Parts) -> list[Observer]:
    """Of this run."""
    request = read_request(parts.context)
    return [SpikeWatch(parts)] if request is None else [Replay(parts, request)]
