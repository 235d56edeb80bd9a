"""Context parallel: places have parts of each row's positions and see all keys and values (Llama 3, arXiv 2407.21783).

    row of 8 stretches, 4 places:   0 1 2 3 3 2 1 0

Each place has one stretch near the start and one near the end, so that causal attention is the same work for all. Keys
and values are gathered by every layer; the mask is made of the positions and documents of all of them.
(`torch.distributed.tensor.experimental.context_parallel` knows no documents, and does not run on CPUs.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributed._functional_collectives import all_gather_single_autograd
from torch.distributed.device_mesh import DeviceMesh


def stretches(length: int, places: int) -> Tensor:
    """The positions of every place, [places, length / places]; `length` is a multiple of twice `places`."""
    cut_SX = torch.arange(length).view(2 * places, -1)
    return torch.stack([torch.cat([cut_SX[place], cut_SX[-1 - place]]) for place in range(places)])


@dataclass(frozen=True)
class Part:
    """This place's positions of a row, and attention over all of them.

    Attributes:
        positions_L: of this place.
        everywhere_S: of all places, one after another, as keys are gathered.
        mesh: the places, one dimension.
    """

    positions_L: Tensor
    everywhere_S: Tensor
    mesh: DeviceMesh

    @classmethod
    def of(cls, length: int, mesh: DeviceMesh, device: torch.device) -> Part:
        """Of rows of `length` positions."""
        all_PL = stretches(length, mesh.size()).to(device)
        return cls(all_PL[mesh.get_local_rank()], all_PL.flatten(), mesh)

    def attend(self, segments_BX: Tensor) -> _Attend:
        """Attention for a pass; `segments_BX` are the documents of whole rows."""
        queries_BL, keys_BS = segments_BX[:, self.positions_L], segments_BX[:, self.everywhere_S]
        earlier_LS = self.positions_L[:, None] >= self.everywhere_S[None, :]
        seen_BLS = (queries_BL[:, :, None] == keys_BS[:, None, :]) & earlier_LS
        return _Attend(seen_BLS[:, None], self.mesh)


@dataclass(frozen=True)
class _Attend:
    """See `ownlm.model.view.Attend`."""

    seen_B1LS: Tensor
    mesh: DeviceMesh

    def __call__(self, q_BNLH: Tensor, k_BKSH: Tensor, v_BKSH: Tensor) -> Tensor:
        """Mix values of all places; keys and values given are this place's."""
        k_BKSH, v_BKSH = all_gather_single_autograd(torch.stack([k_BKSH, v_BKSH]), 3, self.mesh).unbind()
        gqa = k_BKSH.shape[1] != q_BNLH.shape[1]
        return F.scaled_dot_product_attention(q_BNLH, k_BKSH, v_BKSH, attn_mask=self.seen_B1LS, enable_gqa=gqa)
