"""Muon: momentum whose matrices are made orthogonal (Keller Jordan, kellerjordan.github.io/posts/muon, 2024).

Why not `torch.optim.Muon`, which it equals but for rounding (the tests compare): that one iterates in bf16, matrix by
matrix. On a CPU without bf16 units this one, in float32 and with matrices of equal shape stacked, takes 47 ms a step
instead of 166 (2.6M parameters, 2 cores), and needs no special case for determinism.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration: singular values end in about 0.7 .. 1.2 after five rounds."""


def orthogonal(x_NAB: Tensor, rounds: int) -> Tensor:
    """About the nearest matrix with orthonormal rows or columns, for each of N matrices: U V^T of X = U S V^T.

    Newton-Schulz: X <- a X + (b G + c G G) X with G = X X^T, on the smaller side.
    """
    a, b, c = QUINTIC
    tall = x_NAB.shape[1] > x_NAB.shape[2]
    if tall:
        x_NAB = x_NAB.mT
    x_NAB = x_NAB / x_NAB.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(rounds):
        gram_NAA = x_NAB @ x_NAB.mT
        x_NAB = a * x_NAB + (b * gram_NAA + c * gram_NAA @ gram_NAA) @ x_NAB
    return x_NAB.mT if tall else x_NAB


Orthogonalize = Callable[[Tensor, int], Tensor]


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for matrices and stacks of matrices only.

    A weight that is divided among places (a DTensor) keeps its momentum where it lies; the direction of the whole
    matrix is gathered and made orthogonal, and every place takes its part of it.

    The step is scaled by 0.2 sqrt(max(A, B)), so that its size is about AdamW's and learning rates carry over
    (Moonshot, "Muon is scalable for LLM training", arXiv 2502.16982).

    Args:
        params: matrices [A, B] or stacks of them [N, A, B]; or groups, as torch's optimizers take them.
        lr: learning rate.
        momentum: memory of the gradient's mean.
        weight_decay: decay per step, times the learning rate.
        rounds: iterations of `orthogonal`.
        orthogonalize: `orthogonal`, or what does the same with several places (`ownlm.train.parallel.muon`).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        rounds: int = 5,
        orthogonalize: Orthogonalize = orthogonal,
    ) -> None:
        self._orthogonalize = orthogonalize
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "rounds": rounds})
        if any(weight.dim() not in (2, 3) for group in self.param_groups for weight in group["params"]):
            raise ValueError("Muon is for matrices; give everything else to AdamW")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step from the gradients; parameters without one stay. A closure is not supported."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[weight.shape].append(weight)
            for shape, weights in by_shape.items():
                directions_NAB = torch.cat([_stacked(self._direction(w, group["momentum"])) for w in weights])
                steps = torch.tensor_split(self._orthogonalize(directions_NAB, group["rounds"]), len(weights))
                size = group["lr"] * 0.2 * max(shape[-2:]) ** 0.5
                for weight, step_NAB in zip(weights, steps, strict=True):
                    step = _divided(step_NAB.view(shape), weight)
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-size)

    def _direction(self, weight: Tensor, momentum: float) -> Tensor:
        """The Nesterov look-ahead of the gradient's running mean."""
        assert weight.grad is not None
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        mean: Tensor = state["momentum"]
        mean.lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(mean, momentum).float()


def _stacked(direction: Tensor) -> Tensor:
    """One or several whole matrices, [N, A, B]."""
    whole = direction.full_tensor() if isinstance(direction, DTensor) else direction
    return whole if whole.dim() == 3 else whole[None]


def _divided(step: Tensor, weight: Tensor) -> Tensor:
    """The part of a whole step that belongs to the part of the weight held here."""
    if not isinstance(weight, DTensor):
        return step
    return distribute_tensor(step, weight.device_mesh, weight.placements, src_data_rank=None)
