"""Cross-entropy over a vocabulary that is divided: no place ever has a whole row of logits.

Each place computes the logits of its tokens of the vocabulary, for some positions at a time; three numbers a position
go round: the largest logit, the sum of exponentials, the logit of the label (Megatron-LM, arXiv 1909.08053, section 3).

Shapes: P positions of a chunk, D d_model, V this place's part of the vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed import ProcessGroup
from torch.distributed.tensor import DTensor, Partial, Replicate
from torch.utils.checkpoint import checkpoint

from ownlm.model.decoder import IGNORED

POSITIONS = 2048
"""Positions whose logits are in memory at once."""


def divided_loss_sum(x_BLD: Tensor, head_VD: DTensor, labels_BL: Tensor) -> Tensor:
    """Sum of the cross-entropies of all labelled positions; its gradient is right on every place.

    Args:
        x_BLD: what the head reads: the same on every place, or divided along the sequence (DTensor).
        head_VD: the head's weight, rows divided over the places.
        labels_BL: tokens to predict; -100: none. The same on every place.
    """
    mesh = head_VD.device_mesh
    if not isinstance(x_BLD, DTensor):
        x_BLD = DTensor.from_local(x_BLD, mesh, (Replicate(),), run_check=False)
    # Every place has a part of the gradient of x: from its part of the vocabulary.
    x_PD = x_BLD.redistribute(placements=(Replicate(),)).to_local(grad_placements=(Partial(),)).flatten(0, 1)
    rows = -(-head_VD.shape[0] // mesh.size())
    first, weight_VD = mesh.get_local_rank() * rows, head_VD.to_local()
    labels_P = labels_BL.flatten()
    nats = x_PD.new_zeros((), dtype=torch.float32)
    for start in range(0, len(labels_P), POSITIONS):
        part = slice(start, start + POSITIONS)
        nats = nats + checkpoint(
            _chunk, x_PD[part], weight_VD, labels_P[part], first, mesh.get_group(), use_reentrant=False
        )
    return nats


def _chunk(x_PD: Tensor, weight_VD: Tensor, labels_P: Tensor, first: int, group: ProcessGroup) -> Tensor:
    logits_PV = torch.nn.functional.linear(x_PD, weight_VD).float()
    nats: Tensor = _Nats.apply(logits_PV, labels_P, first, group)
    return nats


class _Nats(torch.autograd.Function):
    """Summed cross-entropy of logits whose columns are divided."""

    @staticmethod
    def forward(ctx: Any, logits_PV: Tensor, labels_P: Tensor, first: int, group: ProcessGroup) -> Tensor:
        """See the module's docstring."""
        top_P = logits_PV.amax(dim=-1)
        distributed.all_reduce(top_P, op=distributed.ReduceOp.MAX, group=group)
        shifted_PV = logits_PV - top_P[:, None]
        column_P = (labels_P - first).clamp(0, logits_PV.shape[1] - 1)
        mine_P = (labels_P >= first) & (labels_P < first + logits_PV.shape[1])
        picked_P = shifted_PV.gather(1, column_P[:, None])[:, 0] * mine_P
        exponentials_PV = shifted_PV.exp_()
        sums_2P = torch.stack([exponentials_PV.sum(dim=-1), picked_P])
        distributed.all_reduce(sums_2P, group=group)
        labelled_P = labels_P != IGNORED
        ctx.save_for_backward(exponentials_PV.div_(sums_2P[0][:, None]), column_P, mine_P, labelled_P)
        return ((sums_2P[0].log() - sums_2P[1]) * labelled_P).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        """Softmax minus the label's one, where there is a label."""
        probabilities_PV, column_P, mine_P, labelled_P = ctx.saved_tensors
        rest_PV = probabilities_PV.scatter_add(1, column_P[:, None], -mine_P[:, None].to(probabilities_PV.dtype))
        return rest_PV * (labelled_P[:, None] * grads[0]), None, None, None
