"""Sums and lists over all processes of a layout, whatever each of them has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ownlm.train.parallel.layout import Layout, MeshLayout

Floats = npt.NDArray[np.float64]


def summed(layout: Layout, values: Floats) -> Floats:
    """The sum over all processes, elementwise; the same on every process."""
    if not isinstance(layout, MeshLayout):
        return values
    import torch
    from torch import distributed

    numbers = torch.from_numpy(values).to(layout.device)
    distributed.all_reduce(numbers)
    total: Floats = numbers.cpu().numpy()
    return total


def gathered(layout: Layout, value: float) -> Floats:
    """Everyone's value, by rank."""
    mine = np.zeros(layout.world)
    mine[layout.rank] = value
    return summed(layout, mine)


def counts(layout: Layout) -> bool:
    """Whether what this process has is counted: those of one tensor group have the same."""
    return not isinstance(layout, MeshLayout) or layout.mesh["tensor"].get_local_rank() == 0
