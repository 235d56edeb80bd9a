"""The state-space scan of Mamba-2 (SSD, arXiv 2405.21060) in chunks: matrix products instead of a loop over positions.

    state_t = exp(dt_t A) state_(t-1) + dt_t x_t B_t^T          y_t = state_t C_t          (each head by itself)

Inside a chunk that is attention without softmax, its scores decayed by the distance; between chunks only one state is
passed on. A state never goes from one document (run) to the next. Decays and states are at least float32; under
autocast the large products are in its precision.

Shapes: B rows, L positions, E heads, P head width, G groups of heads, N state; c chunks (z too) of Q positions (i, j).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ownlm.model.counting import SCAN_CHUNK
from ownlm.model.view import Relay


@dataclass(frozen=True)
class ScanInputs:
    """What the scan reads.

    Attributes:
        x_BLEP: inputs.
        dt_BLE: time steps, positive.
        a_E: decay of each head, negative.
        b_BLGN: how inputs enter the state.
        c_BLGN: how the state is read.
        runs_BL: the document of each position, counted up from that of the positions before, which is 0.
        state_BEPN: after the positions before; None: there are none.
        relay: gives the state of the positions before, from what all places make of theirs.
    """

    x_BLEP: Tensor
    dt_BLE: Tensor
    a_E: Tensor
    b_BLGN: Tensor
    c_BLGN: Tensor
    runs_BL: Tensor
    state_BEPN: Tensor | None = None
    relay: Relay | None = None


def scan(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """All positions at once.

    Returns:
        y_BLEP, and the state after the last position, [B, E, P, N].
    """
    batch, length, heads, width = inputs.x_BLEP.shape
    size = min(SCAN_CHUNK, length)
    share = heads // inputs.b_BLGN.shape[2]
    dt_BcQE = _chunks(inputs.dt_BLE, size)
    x_BcQEP = _chunks(inputs.x_BLEP, size) * dt_BcQE[..., None]
    b_BcQEN = _chunks(inputs.b_BLGN, size).repeat_interleave(share, dim=3)
    c_BcQEN = _chunks(inputs.c_BLGN, size).repeat_interleave(share, dim=3)
    # The padding of the last chunk has time steps of 0 and counts as its document: the state stays as it is.
    runs_BcQ = _chunks(inputs.runs_BL, size, like_last=True)
    decay_BcQE = (dt_BcQE * inputs.a_E).cumsum(2)

    scores_BcEij = torch.einsum("bcien,bcjen->bceij", c_BcQEN, b_BcQEN) * _within(decay_BcQE, runs_BcQ)
    inside_BcQEP = torch.einsum("bceij,bcjep->bciep", scores_BcEij, x_BcQEP)

    ends_Bc = runs_BcQ[:, :, -1]
    to_end_BcQE = (decay_BcQE[:, :, -1:] - decay_BcQE).exp() * (runs_BcQ == ends_Bc[..., None])[..., None]
    made_BcEPN = torch.einsum("bcjep,bcjen->bcepn", x_BcQEP * to_end_BcQE[..., None], b_BcQEN)
    states_BcEPN = _states(inputs, made_BcEPN, decay_BcQE[:, :, -1], ends_Bc)

    before_Bc1 = F.pad(ends_Bc[:, :-1], (1, 0))[..., None]
    from_start_BcQE = decay_BcQE.exp() * (runs_BcQ == before_Bc1)[..., None]
    read_BcQEP = torch.einsum("bcien,bcepn->bciep", c_BcQEN, states_BcEPN[:, :-1].to(c_BcQEN.dtype))
    y_BcQEP = inside_BcQEP + read_BcQEP * from_start_BcQE[..., None]
    return y_BcQEP.reshape(batch, -1, heads, width)[:, :length], states_BcEPN[:, -1]


def scan_step(inputs: ScanInputs) -> tuple[Tensor, Tensor]:
    """One position (L = 1) by the definition; returns what `scan` does."""
    share = inputs.x_BLEP.shape[2] // inputs.b_BLGN.shape[2]
    b_BEN, c_BEN = (maps[:, 0].repeat_interleave(share, dim=1) for maps in (inputs.b_BLGN, inputs.c_BLGN))
    dt_BE = inputs.dt_BLE[:, 0]
    state_BEPN = (dt_BE[..., None] * inputs.x_BLEP[:, 0])[..., None] * b_BEN[:, :, None]
    if inputs.state_BEPN is not None:
        kept_BE = (dt_BE * inputs.a_E).exp() * (inputs.runs_BL == 0)
        state_BEPN = state_BEPN + kept_BE[..., None, None] * inputs.state_BEPN
    return (state_BEPN * c_BEN[:, :, None]).sum(-1)[:, None], state_BEPN


def _chunks(x_BL: Tensor, size: int, *, like_last: bool = False) -> Tensor:
    """[B, L, ...] -> [B, c, Q, ...], the last chunk filled up with zeros or with the last position's value."""
    missing = -x_BL.shape[1] % size
    if missing:
        filling = x_BL[:, -1:].expand(-1, missing, *x_BL.shape[2:])
        x_BL = torch.cat((x_BL, filling if like_last else torch.zeros_like(filling)), dim=1)
    return x_BL.view(x_BL.shape[0], -1, size, *x_BL.shape[2:])


def _within(decay_BcQE: Tensor, runs_BcQ: Tensor) -> Tensor:
    """What is left at i of what entered at j of the same chunk: [B, c, E, Q, Q]."""
    size = decay_BcQE.shape[2]
    decay_BcEQ = decay_BcQE.transpose(2, 3)
    seen_ij = torch.ones(size, size, dtype=torch.bool, device=runs_BcQ.device).tril()
    seen_Bcij = seen_ij & (runs_BcQ[..., :, None] == runs_BcQ[..., None, :])
    gone_BcEij = decay_BcEQ[..., :, None] - decay_BcEQ[..., None, :]
    return gone_BcEij.masked_fill(~seen_Bcij[:, :, None], float("-inf")).exp()


def _states(inputs: ScanInputs, made_BcEPN: Tensor, decay_BcE: Tensor, ends_Bc: Tensor) -> Tensor:
    """The state before each chunk and after the last one, after what came before all."""
    first_BEPN = inputs.state_BEPN
    if inputs.relay is not None:
        alone_BEPN = pass_on(made_BcEPN, decay_BcE, ends_Bc, None, last_only=True)[:, 0]
        first_BEPN = inputs.relay.state_before(alone_BEPN, decay_BcE.double().sum(1))
    return pass_on(made_BcEPN, decay_BcE, ends_Bc, first_BEPN)


def pass_on(
    made_BcEPN: Tensor, decay_BcE: Tensor, ends_Bc: Tensor, first_BEPN: Tensor | None, *, last_only: bool = False
) -> Tensor:
    """The state before each chunk and after the last one, [B, c + 1, E, P, N].

    Args:
        made_BcEPN: what each chunk adds to the state at its end.
        decay_BcE: logarithm of what a whole chunk leaves of a state.
        ends_Bc: the document at each chunk's end.
        first_BEPN: the state before all, of document 0.
        last_only: the state after the last one alone, [B, 1, E, P, N].
    """
    first = torch.zeros_like(made_BcEPN[:, 0]) if first_BEPN is None else first_BEPN
    wide = torch.promote_types(torch.promote_types(first.dtype, made_BcEPN.dtype), torch.float32)
    with torch.autocast(made_BcEPN.device.type, enabled=False):
        made_BzEPN = torch.cat((first[:, None].to(wide), made_BcEPN.to(wide)), dim=1)
        ends_Bz = F.pad(ends_Bc, (1, 0))
        # float64: small differences of sums that grow with the text
        total_BEz = F.pad(decay_BcE.double(), (0, 0, 1, 0)).cumsum(1).transpose(1, 2)
        count = ends_Bz.shape[1]
        at = slice(count - 1 if last_only else 0, None)
        seen_cz = torch.ones(count, count, dtype=torch.bool, device=ends_Bz.device).tril()[at]
        seen_Bcz = seen_cz & (ends_Bz[:, at, None] == ends_Bz[:, None, :])
        gone_BEcz = total_BEz[..., at, None] - total_BEz[..., None, :]
        left_BEcz = gone_BEcz.masked_fill(~seen_Bcz[:, None], float("-inf")).exp().to(wide)
        return torch.einsum("becz,bzepn->bcepn", left_BEcz, made_BzEPN)
