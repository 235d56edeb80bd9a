"""A running mean of the weights over the steps: it makes a decayed learning rate's model out of a hot one's.

    mean <- memory * mean + (1 - memory) * weights,   memory = min(decay, (1 + steps) / (10 + steps))

The memory grows at first, so that the random initial weights are forgotten. Each weight costs four more bytes. The mean
is what is measured on held-out text and what is saved as the model (Polyak averaging; Morales-Brotons et al., arXiv
2411.18704). It follows the weights wherever they lie: sharded weights have a sharded mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ownlm.errors import ArtifactError
from ownlm.train.config import AverageConfig


class Average:
    """The mean of a model's weights.

    Args:
        model: whose weights; the mean starts at what they are now.
        config: how long it remembers.
    """

    def __init__(self, model: nn.Module, config: AverageConfig) -> None:
        self._decay = config.decay
        self._weights = dict(model.named_parameters())
        self._means = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the weights after `steps` steps."""
        memory = min(self._decay, (1 + steps) / (10 + steps))
        weights = [weight.detach() for weight in self._weights.values()]
        torch._foreach_lerp_(list(self._means.values()), weights, 1 - memory)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the mean's weights inside, and its own again afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self._weights.items():
            mean = self._means[name].clone()
            self._means[name].copy_(weight)
            weight.copy_(mean)

    def state(self) -> dict[str, Tensor]:
        """The mean by name, divided as the weights are."""
        return dict(self._means)

    def load(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`.

        Raises:
            ArtifactError: when names or shapes are not this model's.
        """
        if {n: t.shape for n, t in state.items()} != {n: t.shape for n, t in self._means.items()}:
            raise ArtifactError("the checkpoint's mean of the weights does not belong to this model")
        for name, mean in self._means.items():
            mean.copy_(state[name])
