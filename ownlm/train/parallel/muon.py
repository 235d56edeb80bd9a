"""Muon's matrices shared out: each place makes its share of them orthogonal, and all get all.

Without it every place that holds (parts of) the same weights would do the same work on whole matrices.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import DeviceMesh

from ownlm.train.muon import Orthogonalize, orthogonal
from ownlm.train.parallel.layout import Layout, MeshLayout


def orthogonalizer(layout: Layout) -> Orthogonalize:
    """`ownlm.train.muon.orthogonal`, shared out over the places that have the same weights; same args and results."""
    if not isinstance(layout, MeshLayout) or layout.stage.size() == 1:
        return orthogonal
    return partial(_shared, layout.stage)


def _shared(mesh: DeviceMesh, x_NAB: Tensor, rounds: int) -> Tensor:
    """Every place has all of `x_NAB`; the last ones may have no share of it."""
    places, place = mesh.size(), mesh.get_local_rank()
    share = -(-len(x_NAB) // places)
    mine_SAB = x_NAB[place * share : (place + 1) * share]
    done_SAB = x_NAB.new_zeros(share, *x_NAB.shape[1:])
    if len(mine_SAB):
        done_SAB[: len(mine_SAB)] = orthogonal(mine_SAB, rounds)
    all_PAB = torch.empty(places * share, *x_NAB.shape[1:], dtype=x_NAB.dtype, device=x_NAB.device)
    distributed.all_gather_into_tensor(all_PAB, done_SAB, group=mesh.get_group())
    return all_PAB[: len(x_NAB)]
