"""What state-space layers hand on where places have parts of each row's positions (context parallel).

    stretch         0         1          2               of a row, in order; each place has two
    makes           S0, d0    S1, d1     S2, d2          state at its end, from none before; logarithm of its decay
    state before    0         S0         S1 + S0 e^d1    all places gather all S and d, each adds up what it needs

That is the scan's own way from chunk to chunk (`ownlm.model.scan.pass_on`), and as there nothing passes the end of a
document. The convolution gets the last inputs of the stretch before. Both are as large for any length of the text.

Shapes: B rows, T stretches of X positions, K inputs before, C channels, E heads, P head width, N state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor
from torch.distributed._functional_collectives import all_gather_single_autograd
from torch.distributed.device_mesh import DeviceMesh

from ownlm.model.mamba import runs_of
from ownlm.model.scan import pass_on
from ownlm.train.parallel.context import stretches


@dataclass(frozen=True)
class StretchRelay:
    """See `ownlm.model.view.Relay`; a place's stretches of a row follow each other, then come those of the next row.

    Attributes:
        runs_BTX: the documents of whole rows, counted up.
        mine_2: this place's stretches.
        order_T: where each stretch is among those of all places, as they are gathered.
        mesh: the places, one dimension.
    """

    runs_BTX: Tensor
    mine_2: Tensor
    order_T: Tensor
    mesh: DeviceMesh

    @classmethod
    def of(cls, segments_BL: Tensor, mesh: DeviceMesh) -> StretchRelay:
        """For a pass; `segments_BL` are the documents of whole rows."""
        count = 2 * mesh.size()
        places_P2 = stretches(count, mesh.size()).to(segments_BL.device)
        runs_BTX = runs_of(segments_BL, None).view(len(segments_BL), count, -1)
        return cls(runs_BTX, places_P2[mesh.get_local_rank()], places_P2.flatten().argsort(), mesh)

    def runs(self) -> Tensor:
        """See `Relay`."""
        before_BT = F.pad(self.runs_BTX[:, :-1, -1], (1, 0))
        return (self.runs_BTX - before_BT[..., None])[:, self.mine_2].flatten(0, 1)

    def inputs_before(self, last_BKC: Tensor) -> Tensor:
        """See `Relay`."""
        count = last_BKC.shape[1]
        if count == 0:
            return last_BKC
        same_BTK = self.runs_BTX[:, :, -count:] == self.runs_BTX[:, :, -1:]
        kept_BTKC = self._everywhere(last_BKC) * same_BTK[..., None]
        return F.pad(kept_BTKC[:, :-1], (0, 0, 0, 0, 1, 0))[:, self.mine_2].flatten(0, 1)

    def state_before(self, made_BEPN: Tensor, decay_BE: Tensor) -> Tensor:
        """See `Relay`."""
        states_BTEPN = pass_on(
            self._everywhere(made_BEPN), self._everywhere(decay_BE), self.runs_BTX[:, :, -1], None
        )  # before each stretch, and after the last
        return states_BTEPN[:, self.mine_2].flatten(0, 1)

    def _everywhere(self, mine: Tensor) -> Tensor:
        """What all places have of every stretch, in order: [2 B, ...] -> [B, T, ...]."""
        pairs = mine.reshape(-1, 2, *mine.shape[1:]).contiguous()
        gathered: Tensor = all_gather_single_autograd(pairs, 1, self.mesh)
        return gathered[:, self.order_T]
