"""Experts divided: some of every block on each place (GShard, arXiv 2006.16668), and each like a feed-forward.

    expert     tokens sorted by expert ─► all-to-all ─► by expert again ─► this place's experts ─► the same way back
    tensor     every place has a part of each expert's inner width; their results are summed

The places of `expert` are those that have other tokens (data x shard x context), so an expert sees the tokens of all.
Nothing is dropped: how many tokens travel is told first. Balance losses are taken row by row, so they are those of the
whole batch in every layout. Places of `tensor` have the same tokens: routers choose the same on all of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed._functional_collectives import all_to_all_single_autograd
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor

from ownlm.model.decoder import Decoder
from ownlm.model.experts import ExpertWeights
from ownlm.train.parallel.layout import MeshLayout


def experts_of(decoder: nn.Module) -> list[ExpertWeights]:
    """The experts of every block."""
    return [module for module in decoder.modules() if isinstance(module, ExpertWeights)]


def divide(decoder: Decoder, layout: MeshLayout) -> None:
    """Divide the experts of every block over the places of `expert` and of `tensor`, in place."""
    expert, tensor = layout.config.expert > 1, layout.config.tensor > 1
    if not expert and not tensor:
        return
    names = tuple(name for name, divides in (("expert", expert), ("tensor", tensor)) if divides)
    mesh = layout.experts[names] if expert else layout.weights["tensor"]
    for experts in experts_of(decoder):
        for name, weight in list(experts.named_parameters(recurse=False)):
            inner = Shard(2 if name == "down_proj" else 1)
            placements = (Shard(0), inner)[not expert : 1 + tensor]
            setattr(experts, name, nn.Parameter(distribute_tensor(weight, mesh, placements, src_data_rank=None)))
        if tensor:
            experts.register_forward_pre_hook(Summed(layout.weights["tensor"]).into)
        if expert:
            exchange = Exchange(layout.experts["expert"])
            experts.register_forward_pre_hook(exchange.there)
            experts.register_forward_hook(exchange.back)
        if tensor:
            experts.register_forward_hook(Summed(layout.weights["tensor"]).out_of)


class Summed:
    """Around what each place computes a part of: results are summed, and so are gradients of what went in."""

    def __init__(self, mesh: DeviceMesh) -> None:
        self._mesh = mesh

    def into(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The same tokens on every place."""
        x_MD = DTensor.from_local(arguments[0], self._mesh, (Replicate(),), run_check=False)
        return (x_MD.to_local(grad_placements=(Partial(),)), *arguments[1:])

    def out_of(self, module: nn.Module, arguments: tuple[Any, ...], y_MD: Tensor) -> Tensor:
        """The sum of all places' parts, on every place."""
        whole: Tensor = DTensor.from_local(y_MD, self._mesh, (Partial(),), run_check=False).redistribute(
            placements=(Replicate(),)
        )
        return whole.to_local()  # type: ignore[attr-defined, no-any-return]


class Exchange:
    """Brings tokens to their experts' places, and what became of them back.

    Shapes: M tokens sorted by expert, D width, E experts, P places.
    """

    def __init__(self, mesh: DeviceMesh) -> None:
        self._group, self._places = mesh.get_group(), mesh.size()
        self._sent: list[int] = []
        self._received: list[int] = []
        self._order_M = torch.empty(0)

    def there(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        """In place of tokens for all experts: those of all places for the experts of this one."""
        x_MD, counts_E = arguments
        theirs_E = torch.empty_like(counts_E)
        distributed.all_to_all_single(theirs_E, counts_E.contiguous(), group=self._group)
        theirs_PE = theirs_E.view(self._places, -1)
        self._sent = counts_E.view(self._places, -1).sum(1).tolist()
        self._received = theirs_PE.sum(1).tolist()
        got_MD = all_to_all_single_autograd(x_MD.contiguous(), self._received, self._sent, self._group)
        experts = torch.arange(theirs_PE.shape[1], device=x_MD.device).repeat(self._places)
        self._order_M = experts.repeat_interleave(theirs_E).argsort(stable=True)
        return got_MD[self._order_M], theirs_PE.sum(0)

    def back(self, module: nn.Module, arguments: tuple[Any, ...], y_MD: Tensor) -> Tensor:
        """The tokens this place sent, transformed, in the order it sent them."""
        back_M = torch.empty_like(self._order_M)
        back_M[self._order_M] = torch.arange(len(back_M), device=back_M.device)
        return all_to_all_single_autograd(y_MD[back_M].contiguous(), self._sent, self._received, self._group)
