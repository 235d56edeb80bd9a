"""Data parallel: gradients summed over places with other tokens; weights replicated (DDP) or sharded (FSDP, HSDP).

    data > 1,  shard = 1     every place has all weights; gradients are all-reduced                        (DDP)
    data = 1,  shard > 1     every place keeps a part of each weight; a block's weights are gathered when it
                             computes, its gradients reduce-scattered (ZeRO-3, arXiv 1910.02054)           (FSDP)
    data > 1,  shard > 1     shards inside a replica, all-reduce between replicas                          (HSDP)

Places of one context group have other tokens of the same rows, so they count here as data (or shard) does.
`torch.distributed.fsdp.fully_shard` and its sibling `replicate` do the work, one group of weights a block.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from ownlm.model.decoder import Decoder
from ownlm.train.parallel.experts import experts_of
from ownlm.train.parallel.layout import MeshLayout


def reduced_mesh(layout: MeshLayout) -> DeviceMesh | None:
    """The places gradients are summed over: (replicas, shards), or only one of them; None: no others."""
    names = tuple(name for name in ("replicas", "shards") if layout.weights[name].size() > 1)
    return layout.weights[names] if names else None


def distribute(root: nn.Module, decoder: Decoder, layout: MeshLayout, bf16: bool) -> None:
    """Make the gradients of `root`, which holds (a stage of) the decoder, sums over all tokens of a step.

    Args:
        root: the module whose forward pass gives the loss.
        decoder: inside it.
        layout: where everything is.
        bf16: the forward pass runs in bf16: blocks' weights are gathered in it, at half the traffic.
    """
    mesh = reduced_mesh(layout)
    if mesh is None:
        return
    apart = _experts_apart(decoder, layout, bf16) if layout.config.expert > 1 else set()
    blocks = [block for block in decoder.layers if any(True for _ in block.parameters())]
    if layout.config.shard == 1:
        _replicate([*blocks, root], mesh, apart)
    else:
        for block in blocks:
            fully_shard(block, mesh=mesh, mp_policy=_policy(bf16), ignored_params=apart)
        fully_shard(root, mesh=mesh, mp_policy=_policy(False), ignored_params=apart)
    for module in root.modules():
        if isinstance(module, FSDPModule):
            # The loss is divided by the labels of the whole step, so what is wanted is the sum, not the mean.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def _policy(bf16: bool) -> MixedPrecisionPolicy:
    if bf16:
        return MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    return MixedPrecisionPolicy(cast_forward_inputs=False)


def _experts_apart(decoder: Decoder, layout: MeshLayout, bf16: bool) -> set[nn.Parameter]:
    """Sum (and shard) the experts' gradients over the places that have the same experts; returns their weights."""
    modules = experts_of(decoder)
    weights = {weight for module in modules for weight in module.parameters()}
    copies = layout.experts["copies"]
    if copies.size() == 1:
        return weights
    if layout.config.shard == 1:
        _replicate([*modules], copies, set())
    else:
        for module in modules:
            fully_shard(module, mesh=copies, mp_policy=_policy(bf16))
    return {weight for module in modules for weight in module.parameters()}


def _replicate(modules: list[nn.Module], mesh: DeviceMesh, apart: set[nn.Parameter]) -> None:
    from torch.distributed._composable.replicate_with_fsdp import replicate

    settings: dict[str, Any] = {"mesh": mesh, "mp_policy": _policy(False), "ignored_params": apart}
    for module in modules:
        replicate(module, **settings)
