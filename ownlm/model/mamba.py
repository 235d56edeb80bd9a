"""A Mamba-2 layer (arXiv 2405.21060, section 7) in plain PyTorch, weight for weight `BambaMixer` of transformers.

    x ─► in_proj ─┬─► gate ──────────────────────────────────────────────────────┐
                  ├─► x, B, C ─► causal convolution ─► silu ─► scan, + D x ─► norm(y * silu(gate)) ─► out_proj
                  └─► dt ─► softplus(dt + dt_bias) ──────────────┘

Documents packed into one row see nothing of each other: neither through the convolution nor through the state. Where
other places have positions of these rows, convolution and scan see each stretch as a row (`ownlm.model.view.Relay`).

Shapes: B rows, L positions, D d_model, I inner width, C channels of the convolution, K its positions, E heads, P head
width, G groups, N state.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ownlm.model.architecture import Architecture
from ownlm.model.norm import GatedRMSNorm
from ownlm.model.scan import ScanInputs, scan, scan_step
from ownlm.model.view import View


class Mamba2(nn.Module):
    """Mixes positions through a state.

    Args:
        architecture: of the model; it has a state space.
        layer: this block's number, its place in the cache.
    """

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        shape = architecture.state_space
        assert shape is not None
        self.layer, self.shape = layer, shape
        self.in_proj = nn.Linear(architecture.d_model, shape.inner + shape.conv_width + shape.heads, bias=False)
        self.conv1d = nn.Conv1d(shape.conv_width, shape.conv_width, shape.d_conv, groups=shape.conv_width)
        self.dt_bias = nn.Parameter(torch.empty(shape.heads))
        self.A_log = nn.Parameter(torch.empty(shape.heads))
        self.D = nn.Parameter(torch.empty(shape.heads))
        self.norm = GatedRMSNorm(shape.inner, shape.groups, architecture.norm_eps)
        self.out_proj = nn.Linear(shape.inner, architecture.d_model, bias=False)

    def forward(self, x_BLD: Tensor, view: View) -> Tensor:
        """Mix positions of the normalized input."""
        shape, runs_BL, relay = self.shape, view.runs_BL, view.relay
        assert runs_BL is not None
        rows = x_BLD.shape[:2] if relay is None else runs_BL.shape
        gate_BLI, inputs_BLC, dt_BLE = torch.split(
            self.in_proj(x_BLD), [shape.inner, shape.conv_width, shape.heads], dim=-1
        )
        kept = None if view.cache is None else view.cache.state(self.layer)
        inputs_BLC, before_BKC = inputs_BLC.reshape(*rows, -1), None if kept is None else kept[0]
        if relay is not None:
            before_BKC = relay.inputs_before(inputs_BLC[:, rows[1] - shape.d_conv + 1 :])
        mixed_BLC, last_BKC = self._convolve(inputs_BLC, runs_BL, before_BKC)
        maps = shape.groups * shape.d_state
        x_BLI, b_BLM, c_BLM = torch.split(F.silu(mixed_BLC), [shape.inner, maps, maps], dim=-1)
        x_BLEP = x_BLI.reshape(*rows, shape.heads, shape.head_width)
        inputs = ScanInputs(
            x_BLEP=x_BLEP,
            dt_BLE=F.softplus((dt_BLE + self.dt_bias).float()).reshape(*rows, -1),
            a_E=-self.A_log.float().exp(),
            b_BLGN=b_BLM.reshape(*rows, shape.groups, shape.d_state),
            c_BLGN=c_BLM.reshape(*rows, shape.groups, shape.d_state),
            runs_BL=runs_BL,
            state_BEPN=None if kept is None else kept[1],
            relay=relay,
        )
        y_BLEP, state_BEPN = scan_step(inputs) if rows[1] == 1 and relay is None else scan(inputs)
        if view.cache is not None:
            view.cache.keep_state(self.layer, last_BKC, state_BEPN)
        y_BLEP = y_BLEP + self.D[:, None] * x_BLEP
        normed_BLI = self.norm(y_BLEP.reshape(*x_BLD.shape[:2], shape.inner), gate_BLI)
        out: Tensor = self.out_proj(normed_BLI.to(x_BLD.dtype))
        return out

    def _convolve(self, x_BLC: Tensor, runs_BL: Tensor, before_BKC: Tensor | None) -> tuple[Tensor, Tensor]:
        """Each channel with its own weights over the last K positions of the same document.

        Args:
            x_BLC: inputs.
            runs_BL: documents, 0 that of the positions before.
            before_BKC: the K - 1 inputs before, 0 where there are none or they are another document's.

        Returns:
            Outputs, and the K - 1 inputs to come before the next call's.
        """
        reach, length = self.shape.d_conv - 1, x_BLC.shape[1]
        if before_BKC is None:
            before_BKC = x_BLC.new_zeros(x_BLC.shape[0], reach, x_BLC.shape[2])
        all_BSC = torch.cat((before_BKC.to(x_BLC.dtype), x_BLC), dim=1)
        runs_BS = F.pad(runs_BL, (reach, 0))
        weight_CK = self.conv1d.weight[:, 0]
        assert self.conv1d.bias is not None
        out_BLC = self.conv1d.bias + weight_CK[:, reach] * x_BLC
        for back in range(1, reach + 1):
            first = reach - back
            same_BL1 = (runs_BS[:, first : first + length] == runs_BL)[..., None]
            out_BLC = out_BLC + weight_CK[:, first] * all_BSC[:, first : first + length] * same_BL1
        last_BKC = all_BSC[:, length:] * (runs_BS[:, length:] == runs_BL[:, -1:])[..., None]
        return out_BLC, last_BKC


def runs_of(segments_BL: Tensor, before_B1: Tensor | None) -> Tensor:
    """The documents of each row counted up: 0 is that of the position before, `before_B1`, or of the first one."""
    changes_BL = torch.zeros_like(segments_BL)
    changes_BL[:, 1:] = segments_BL[:, 1:] != segments_BL[:, :-1]
    if before_B1 is not None:
        changes_BL[:, :1] = segments_BL[:, :1] != before_B1
    return changes_BL.cumsum(1)
