"""Lengths of gradients and of updates, by groups of layers: one group a step, in turn.

A group's weights are copied before its update and compared after it, so it costs one read of them and, for a moment,
the memory of one group more. After as many steps as there are groups (at most eight) all were measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ownlm.model.decoder import Decoder
from ownlm.train.monitor.ranks import Floats
from ownlm.train.parallel.gradients import local, shards
from ownlm.train.parallel.layout import Layout

MOST_BANDS = 6


def bands(layers: int) -> list[range]:
    """Consecutive layers, in at most `MOST_BANDS` groups of nearly the same size."""
    count = min(layers, MOST_BANDS)
    bounds = [layers * band // count for band in range(count + 1)]
    return [range(first, end) for first, end in pairwise(bounds)]


def group_of(name: str, layers: int) -> str:
    """The group a weight belongs to, e.g. "embedding", "layers 3-5", "head"."""
    if name.startswith("layers."):
        layer = int(name.split(".")[1])
        band = next(band for band in bands(layers) if layer in band)
        return f"layer {layer}" if len(band) == 1 else f"layers {band.start}-{band.stop - 1}"
    return "embedding" if name.startswith("embed_tokens.") else "head"


class Norms:
    """Measures one group a step.

    Args:
        decoder: its weights, or this process's part of them.
        layout: of this process.
        clip: the longest gradient: what `weight.grad` was scaled to.

    Attributes:
        names: of the groups, in the order of the model.
    """

    def __init__(self, decoder: Decoder, layout: Layout, clip: float) -> None:
        architecture = decoder.architecture
        layered = [group_of(f"layers.{band.start}.", architecture.layers) for band in bands(architecture.layers)]
        self.names = ["embedding", *layered, "head"]
        self._weights: dict[str, list[nn.Parameter]] = defaultdict(list)
        for name, weight in decoder.named_parameters():
            if not (architecture.tied and name == "lm_head.weight"):  # in a pipeline's last stage: the embedding again
                self._weights[group_of(name, architecture.layers)].append(weight)
        self._holders = layout.world // layout.config.pipeline
        self._clip = clip
        self._before: list[Tensor] = []

    def group(self, step: int) -> int:
        """The number of the group that is measured in a step."""
        return step % len(self.names)

    @torch.no_grad()
    def before(self, step: int, grad_norm: float) -> float:
        """This process's part of the squared length of the gradient of the step's group, as it was before clipping."""
        weights = self._weights[self.names[self.group(step)]]
        self._before = [local(weight.detach()).clone() for weight in weights]
        scale = min(1.0, self._clip / (grad_norm + 1e-6))
        grads = [(local(weight.grad), self._share(weight)) for weight in weights if weight.grad is not None]
        return _squares(grads) / scale**2

    @torch.no_grad()
    def after(self, step: int) -> float:
        """This process's part of the squared length of what the update changed in the step's group."""
        weights = self._weights[self.names[self.group(step)]]
        moved = torch._foreach_sub([local(weight.detach()) for weight in weights], self._before) if weights else ()
        self._before = []
        return _squares(zip(moved, [self._share(weight) for weight in weights], strict=True))

    def _share(self, weight: Tensor) -> float:
        """The part of a sum over all processes that is due to what one of them holds."""
        return shards(weight) / self._holders


def _squares(tensors: Iterable[tuple[Tensor, float]]) -> float:
    found: dict[float, list[Tensor]] = defaultdict(list)
    for tensor, share in tensors:
        found[share].append(tensor)
    return float(np.sum([share * float(nn.utils.get_total_norm(same).double()) ** 2 for share, same in found.items()]))


def length(squares: Floats) -> float:
    """Of the sum of all processes' squares."""
    return float(np.sqrt(squares.sum()))
