"""`Stage`: a decoder, or a pipeline's part of one, with its loss: the module whose forward pass is distributed.

tokens_BL (or, behind the first stage, x_BLD) ─► its layers ─► x_BLD, or from the last stage: the loss, [2]
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate

from ownlm.model.attention.choose import attention_over
from ownlm.model.decoder import Decoder
from ownlm.model.view import Attend
from ownlm.train.loss import linear_cross_entropy
from ownlm.train.parallel.context import Part
from ownlm.train.parallel.relay import StretchRelay


class Elsewhere(nn.Module):
    """A part of the model that another stage has: hands on what it is given."""

    def forward(self, x: Tensor, *others: Any, **named: Any) -> Tensor:
        """`x` as it is."""
        return x


class Stage(nn.Module):
    """The layers of one stage.

    Args:
        decoder: all of it, or from `cut` one part.
        is_last: it has the head, and gives the loss.
        context: the places the positions of a row are divided over; None: all are here.
        z_loss: see `ownlm.train.loss`.

    Attributes:
        labels: what the loss will be divided by; needed before the last stage, whose experts have losses of their own.
        load: what tokens chose (`Decoder.expert_load`) in all forward passes with gradients since it was set to None.
    """

    def __init__(self, decoder: Decoder, is_last: bool, context: DeviceMesh | None, z_loss: float) -> None:
        super().__init__()
        self.decoder, self.is_last, self._context, self._z_loss = decoder, is_last, context, z_loss
        self.is_first = isinstance(decoder.embed_tokens, nn.Embedding)
        self.labels = 1
        self.load: Tensor | None = None
        if context is not None:
            for router in decoder.routers():
                router.over_rows = partial(_summed, context)

    def forward(self, x: Tensor, labels_BL: Tensor, segments_BL: Tensor) -> Tensor:
        """Hand on, or measure.

        Args:
            x: tokens_BL in the first stage, else x_BLD of the stage before.
            labels_BL: tokens to predict; -100: none.
            segments_BL: equal numbers see each other.

        Returns:
            x_BLD; in the last stage what to minimize and the cross-entropies alone (nats), both sums, [2].
        """
        positions_L = torch.arange(labels_BL.shape[1], device=labels_BL.device)
        attend: Attend
        relay = None
        if self._context is None:
            attend = attention_over(segments_BL, self._dtype(x.device.type), self.decoder.attention)
        else:
            part = Part.of(labels_BL.shape[1], self._context, labels_BL.device)
            attend, positions_L = part.attend(segments_BL), part.positions_L
            if self.decoder.architecture.state_space is not None:
                relay = StretchRelay.of(segments_BL, self._context)
            labels_BL, segments_BL = labels_BL[:, positions_L], segments_BL[:, positions_L]
            x = x[:, positions_L] if self.is_first else x
        view = self.decoder.view(positions_L[None], segments_BL, attend=attend, relay=relay)
        x_BLD: Tensor = self.decoder.embed_tokens(x)
        for block in self.decoder.layers:
            x_BLD = block(x_BLD, view)
        self._count_experts()
        if self.is_last:
            return self._loss(self.decoder.last(x_BLD), labels_BL)
        auxiliary = self.decoder.auxiliary()
        if auxiliary is not None:
            x_BLD = _Joined.apply(x_BLD, auxiliary / self.labels)  # type: ignore[no-untyped-call]
        return x_BLD

    def _count_experts(self) -> None:
        """A pipeline has several forward passes a batch, and routers know the last one."""
        load = self.decoder.expert_load() if torch.is_grad_enabled() else None
        if load is not None:
            self.load = load if self.load is None else self.load + load

    def _loss(self, x_BLD: Tensor, labels_BL: Tensor) -> Tensor:
        head_VD, parts = self.decoder.head_weight, None
        if isinstance(head_VD, DTensor):
            parts, head_VD = HeadParts(head_VD), head_VD.to_local()
        if isinstance(x_BLD, DTensor):
            x_BLD = x_BLD.redistribute(placements=(Replicate(),)).to_local()
        minimized, nats = linear_cross_entropy(
            x_BLD.flatten(0, 1), head_VD, labels_BL.flatten(), z_loss=self._z_loss, parts=parts
        )
        auxiliary = self.decoder.auxiliary()
        return torch.stack([minimized if auxiliary is None else minimized + auxiliary, nats])

    @staticmethod
    def _dtype(device: str) -> torch.dtype:
        """Of queries."""
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32


class _Joined(torch.autograd.Function):
    """`x` as it is; going back, a loss that ends here gets its gradient, too (as in DeepSeek-V3's code)."""

    @staticmethod
    def forward(ctx: Any, x_BLD: Tensor, loss: Tensor) -> Tensor:
        """`x`."""
        return x_BLD.view_as(x_BLD)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor]:
        """Of `x` what came; of the loss one."""
        return grads[0], grads[0].new_ones(())


def _summed(mesh: DeviceMesh, counts: Tensor) -> Tensor:
    distributed.all_reduce(counts := counts.clone(), group=mesh.get_group())
    return counts


class HeadParts:
    """The places that hold the other rows of a head: see `ownlm.train.loss.VocabularyParts`.

    Rows are divided as torch does it: all places have equally many, but the last ones may have fewer, or none.
    """

    def __init__(self, head_VD: DTensor) -> None:
        mesh = head_VD.device_mesh
        self.most = -(-head_VD.shape[0] // mesh.size())
        self.first = mesh.get_local_rank() * self.most
        self._group = mesh.get_group()

    def max(self, values: Tensor) -> Tensor:
        """The largest over all places, elementwise."""
        distributed.all_reduce(values := values.clone(), op=distributed.ReduceOp.MAX, group=self._group)
        return values

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all places, elementwise."""
        distributed.all_reduce(values := values.clone(), group=self._group)
        return values


def cut(decoder: Decoder, stages: int) -> list[Decoder]:
    """Divide a decoder into consecutive stages; the parts share its weights.

    Stages get equally many layers; where that is not possible the first ones have one more, and not the last, which
    computes the head.
    """
    count = len(decoder.layers)
    bounds = [-(-count * stage // stages) for stage in range(stages + 1)]
    return [_part(decoder, range(*bounds[index : index + 2]), index, stages) for index in range(stages)]


def _part(decoder: Decoder, layers: range, stage: int, stages: int) -> Decoder:
    part = copy.copy(decoder)
    part._modules = dict(decoder._modules)
    part.layers = nn.ModuleList(block if index in layers else Elsewhere() for index, block in enumerate(decoder.layers))
    if stage > 0:
        part.embed_tokens = Elsewhere()  # type: ignore[assignment]
    if stage < stages - 1:
        part.norm = part.lm_head = Elsewhere()  # type: ignore[assignment]
    return part


def merged(parts: list[Decoder]) -> Decoder:
    """The stages of one process as one decoder, whose weights have the names they have in the whole one."""
    if len(parts) == 1:
        return parts[0]
    whole = copy.copy(parts[0])
    whole._modules = dict(parts[0]._modules)
    whole.layers = nn.ModuleList(
        next((block for block in same if not isinstance(block, Elsewhere)), same[0])
        for same in zip(*(part.layers for part in parts), strict=True)
    )
    for name in ("embed_tokens", "norm", "lm_head"):
        present = [getattr(part, name) for part in parts]
        setattr(whole, name, next((module for module in present if not isinstance(module, Elsewhere)), present[0]))
    return whole
