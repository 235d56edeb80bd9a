"""The length of a gradient whose parts lie on many processes, and clipping by it.

Every process adds the squares of what it holds, divided by how many processes hold the same; one sum over all of them
is the square of the whole gradient's length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor, Partial, Replicate


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: all of it, if it is not distributed."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def shards(tensor: Tensor) -> int:
    """In how many different parts a tensor is distributed; 1: every process has all of it."""
    if not isinstance(tensor, DTensor):
        return 1
    return math.prod(
        tensor.device_mesh.size(dim)
        for dim, placement in enumerate(tensor.placements)
        if not isinstance(placement, Replicate | Partial)
    )


def settle(weights: Iterable[nn.Parameter]) -> None:
    """Give gradients the places of their weights: those of tensor parallel may be sums to come, or whole."""
    for weight in weights:
        if isinstance(weight, DTensor) and isinstance(weight.grad, DTensor):
            weight.grad = weight.grad.redistribute(placements=weight.placements)


@torch.no_grad()
def clip(weights: Iterable[nn.Parameter], longest: float, holders: int) -> float:
    """Scale the gradient so that it is not longer than `longest`.

    Args:
        weights: those this process holds, or holds a part of.
        longest: the length to clip to.
        holders: processes that would hold the same of a weight that is not sharded.

    Returns:
        The length before; the same on every process.
    """
    grads = [weight.grad for weight in weights if weight.grad is not None]
    device = local(grads[0]).device if grads else None
    total = torch.zeros((), dtype=torch.float64, device=device)
    for grad in grads:
        total += torch.linalg.vector_norm(local(grad)).double().square() * shards(grad) / holders
    distributed.all_reduce(total)
    norm = float(total.sqrt())
    factor = longest / (norm + 1e-6)
    if not factor >= 1:
        for grad in grads:
            local(grad).mul_(factor)
    return norm
