"""Named tensors of a run, whole on one process, and back to the parts that processes hold.

Names are those of the whole model in every layout; an optimizer's tensors are called `weight name/state name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor, distribute_tensor

from ownlm.model.decoder import Decoder
from ownlm.train.parallel.layout import Layout, MeshLayout

_EMBEDDING, _HEAD = "embed_tokens.weight", "lm_head.weight"


def whole(decoder: Decoder, tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """All processes' tensors, whole and on the CPU, on the first process; elsewhere nothing of use.

    A head that is tied to the embedding is left out.
    """
    tied = decoder.architecture.tied
    # Gathering is done together: in the same order everywhere, whatever order a checkpoint was read in.
    mine = {name: _full(tensors[name]) for name in sorted(tensors) if not (tied and _HEAD in name)}
    if not isinstance(layout, MeshLayout) or layout.config.pipeline == 1:
        return mine
    alone = all(layout.mesh[name].get_local_rank() == 0 for name in ("data", "shard", "context", "tensor"))
    parts: list[Any] | None = [None] * layout.world if layout.is_first else None
    distributed.gather_object(mine if alone else {}, parts, group=layout.checkpoint_group)
    return {name: tensor for part in parts or [] for name, tensor in part.items()}


def mine(decoder: Decoder, tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Of whole tensors, this process's parts, for the weights of `decoder`."""
    if not isinstance(layout, MeshLayout):
        return dict(tensors)
    weights = dict(decoder.named_parameters())
    if _HEAD in weights and _EMBEDDING not in weights and decoder.architecture.tied:
        tensors = {name.replace(_EMBEDDING, _HEAD): tensor for name, tensor in tensors.items()}
    found = {}
    for name, tensor in tensors.items():
        weight = weights.get(name, weights.get(name.rpartition("/")[0]))
        if weight is not None:
            found[name] = _part(tensor, weight)
    return found


def _full(tensor: Tensor) -> Tensor:
    full = tensor.detach()
    if isinstance(full, DTensor):
        full = full.full_tensor()
    return full.cpu().contiguous()


def _part(tensor: Tensor, weight: Tensor) -> Tensor:
    """As the weight is divided; a count of steps is nobody's part."""
    if not isinstance(weight, DTensor) or tensor.shape != weight.shape:
        return tensor
    return distribute_tensor(tensor.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)


@torch.no_grad()
def put(decoder: Decoder, values: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> None:
    """Copy whole weights into the parts of them that this process holds. Names it does not hold are passed over.

    A head that is tied to an embedding on another stage is a weight of its own here: it takes the embedding's value.
    """
    mine: dict[str, Tensor] = dict(decoder.named_parameters()) | dict(decoder.named_buffers())
    if _HEAD in mine and _EMBEDDING not in mine and decoder.architecture.tied:
        mine[_EMBEDDING] = mine.pop(_HEAD)
    for name, value in values.items() if isinstance(values, Mapping) else values:
        if name in mine:
            mine[name].copy_(_part(value, mine[name]))
