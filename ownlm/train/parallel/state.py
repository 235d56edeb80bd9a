"""A model's weights, whole on one process, and whole weights put into the parts that processes hold.

Names are those of the whole model in every layout. Checkpoints gather nothing: `ownlm.train.checkpoint.parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor, distribute_tensor

from ownlm.model.decoder import Decoder
from ownlm.train.checkpoint.parts import EMBEDDING, HEAD, without_tied_head
from ownlm.train.parallel.layout import Layout, MeshLayout


def whole(decoder: Decoder, tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """All processes' tensors, whole and on the CPU, on the first process; elsewhere nothing of use.

    A head that is tied to the embedding is left out.
    """
    # Gathering is done together: in the same order everywhere, whatever order a checkpoint was read in.
    mine = {name: _full(tensor) for name, tensor in sorted(without_tied_head(decoder, tensors).items())}
    if not isinstance(layout, MeshLayout) or layout.config.pipeline == 1:
        return mine
    alone = all(layout.mesh[name].get_local_rank() == 0 for name in ("data", "shard", "context", "tensor"))
    parts: list[Any] | None = [None] * layout.world if layout.is_first else None
    distributed.gather_object(mine if alone else {}, parts, group=layout.checkpoint_group)
    return {name: tensor for part in parts or [] for name, tensor in part.items()}


def _full(tensor: Tensor) -> Tensor:
    full = tensor.detach()
    if isinstance(full, DTensor):
        full = full.full_tensor()
    return full.cpu().contiguous()


@torch.no_grad()
def put(decoder: Decoder, values: Iterable[tuple[str, Tensor]]) -> None:
    """Copy whole weights into the parts of them that this process holds. Names it does not hold are passed over.

    A head that is tied to an embedding on another stage is a weight of its own here: it takes the embedding's value.
    """
    mine: dict[str, Tensor] = dict(decoder.named_parameters()) | dict(decoder.named_buffers())
    if HEAD in mine and EMBEDDING not in mine and decoder.architecture.tied:
        mine[EMBEDDING] = mine.pop(HEAD)
    for name, value in values:
        if name in mine:
            mine[name].copy_(_part(value, mine[name]))


def _part(value: Tensor, weight: Tensor) -> Tensor:
    """As the weight is divided."""
    if not isinstance(weight, DTensor):
        return value
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)
