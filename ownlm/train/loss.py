"""Cross-entropy straight from the hidden states: the logits of all tokens are never in memory at once.

    hidden_ND ─► chunk of C tokens ─► logits_CV ─┬─► log Z - logit of the label ─► sum
                                                 └─► softmax - 1 at the label ─► gradient of hidden_CD, of weight_VD

The gradient is computed in the forward pass, while a chunk's logits are there (as in Liger Kernel, arXiv 2410.10989):
three matrix products as in the plain form, where recomputing the chunks in the backward pass takes four. Kept for the
backward pass are N * D and V * D numbers in place of N * V. Sums and softmax are float32, whatever the products are.

z-loss is PaLM's (arXiv 2204.02311, section 5): `z * (log Z)^2` a token keeps the logits from drifting.

Shapes: N tokens, C of them in a chunk, D width, V rows of the head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ownlm.model.decoder import IGNORED

CHUNK_LOGITS = {"cpu": 1 << 20, "cuda": 1 << 26}
"""Logits of a chunk: on a CPU 4 MB in float32, which stay in its cache (4096 tokens of width 96, 4096 rows, two cores:
55 ms with it, 66 ms with four times as many, 146 ms in the plain form, 73 ms in the plain form compiled)."""

LEAST_ROWS = 128
"""Tokens in a chunk, at least: fewer make slow matrix products."""


class VocabularyParts(Protocol):
    """The other places that hold the other rows of the head; every place calls it in the same order."""

    first: int
    """The first row that is held here."""

    most: int
    """Rows of the place that holds most: chunks are as long everywhere."""

    def max(self, values: Tensor) -> Tensor:
        """The largest over all places, elementwise."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all places, elementwise."""


Chunk = Callable[[Tensor, Tensor, Tensor, float, bool, VocabularyParts | None], tuple[Tensor, Tensor, Tensor | None]]


def linear_cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    labels_N: Tensor,
    *,
    z_loss: float = 0.0,
    parts: VocabularyParts | None = None,
    compiled: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sum of the cross-entropies of the labelled tokens, from what the head reads.

    Args:
        hidden_ND: what the head multiplies.
        weight_VD: the head; in a tensor-parallel layout the rows of it that are held here.
        labels_N: the tokens to predict, numbered over the whole vocabulary; IGNORED: no loss.
        z_loss: the coefficient of the squared log of the softmax's denominator.
        parts: the places that hold the other rows; None: all are here.
        compiled: compile what is done with a chunk.

    Returns:
        What to minimize, and the cross-entropies alone (nats, without a gradient): both sums, float32.
    """
    if torch.is_autocast_enabled(hidden_ND.device.type):
        precision = torch.get_autocast_dtype(hidden_ND.device.type)
        hidden_ND, weight_VD = hidden_ND.to(precision), weight_VD.to(precision)
    chunk: Chunk = _compiled_chunk() if compiled else _chunk
    with torch.autocast(hidden_ND.device.type, enabled=False):
        sums = _LinearCrossEntropy.apply(hidden_ND, weight_VD, labels_N, z_loss, parts, chunk)  # type: ignore[no-untyped-call]
    return sums[0], sums[1]


_keepers: list[list[Tensor]] = []


@contextmanager
def token_nats() -> Iterator[list[Tensor]]:
    """Keep the cross-entropies of the single tokens that are measured inside; they cost four bytes each.

    Gives a list that grows by one tensor of nats_N (float32, 0 without a label) for every `linear_cross_entropy` of
    this thread's process, in the order of the calls.
    """
    kept: list[Tensor] = []
    _keepers.append(kept)
    try:
        yield kept
    finally:
        _keepers[:] = [other for other in _keepers if other is not kept]


class _LinearCrossEntropy(torch.autograd.Function):
    """See `linear_cross_entropy`."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        labels_N: Tensor,
        z_loss: float,
        parts: VocabularyParts | None,
        chunk: Chunk,
    ) -> tuple[Tensor, Tensor]:
        """Losses, and their gradients where they will be asked for."""
        wants = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        width = weight_VD.shape[0] if parts is None else parts.most
        rows = max(LEAST_ROWS, CHUNK_LOGITS.get(hidden_ND.device.type, 1 << 20) // width)
        sums = torch.zeros(2, device=hidden_ND.device)
        d_hidden_ND = torch.empty_like(hidden_ND) if wants else None
        d_weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if wants else None
        tokens = []
        for start in range(0, hidden_ND.shape[0], rows):
            piece_CD = hidden_ND[start : start + rows]
            nats_C, extra, d_logits_CV = chunk(
                piece_CD, weight_VD, labels_N[start : start + rows], z_loss, wants, parts
            )
            sums += torch.stack([nats_C.sum(), extra])
            tokens.append(nats_C)
            if d_logits_CV is not None and d_hidden_ND is not None and d_weight_VD is not None:
                torch.mm(d_logits_CV, weight_VD, out=d_hidden_ND[start : start + rows])
                _add_product(d_weight_VD, d_logits_CV, piece_CD)
        if d_hidden_ND is not None and parts is not None:
            d_hidden_ND = parts.sum(d_hidden_ND)
        for kept in _keepers:
            kept.append(torch.cat(tokens))
        ctx.save_for_backward(d_hidden_ND, d_weight_VD)
        ctx.precision = weight_VD.dtype
        nats = sums[0].clone()
        ctx.mark_non_differentiable(nats)
        return sums.sum(), nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients kept, times that of the sum."""
        d_hidden_ND, d_weight_VD = ctx.saved_tensors
        return (
            d_hidden_ND * scale.to(d_hidden_ND.dtype),
            (d_weight_VD * scale).to(ctx.precision),
            None,
            None,
            None,
            None,
        )


def _add_product(sum_VD: Tensor, d_logits_CV: Tensor, hidden_CD: Tensor) -> None:
    """`sum += d_logits^T hidden`, in float32."""
    if hidden_CD.dtype == sum_VD.dtype:
        sum_VD.addmm_(d_logits_CV.T, hidden_CD)
    else:
        sum_VD += d_logits_CV.T @ hidden_CD


def _chunk(
    hidden_CD: Tensor, weight_VD: Tensor, labels_C: Tensor, z_loss: float, wants: bool, parts: VocabularyParts | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Losses of a chunk: each token's cross-entropy, the sum of z-losses, the gradient of the logits where wanted."""
    logits_CV = (hidden_CD @ weight_VD.T).float()
    labelled_C = labels_C != IGNORED
    rows_C = labels_C - (0 if parts is None else parts.first)
    here_C = labelled_C & (rows_C >= 0) & (rows_C < weight_VD.shape[0])
    rows_C = rows_C.where(here_C, 0)
    target_C = logits_CV.gather(1, rows_C[:, None])[:, 0].where(here_C, 0.0)
    log_z_C = logits_CV.logsumexp(1)
    if parts is not None:
        top_C = parts.max(log_z_C)
        log_z_C = parts.sum((log_z_C - top_C).exp()).log() + top_C
        target_C = parts.sum(target_C)
    nats_C = (log_z_C - target_C).where(labelled_C, 0.0)
    extra = z_loss * log_z_C.square().where(labelled_C, 0.0).sum()
    if not wants:
        return nats_C, extra, None
    d_logits_CV = logits_CV.sub_(log_z_C[:, None]).exp_()
    d_logits_CV *= (1 + 2 * z_loss * log_z_C).where(labelled_C, 0.0)[:, None]
    d_logits_CV.scatter_add_(1, rows_C[:, None], -here_C.float()[:, None])
    return nats_C, extra, d_logits_CV.to(hidden_CD.dtype)


_compiled: list[Chunk] = []


def _compiled_chunk() -> Chunk:
    """One compiled form for the whole process: shapes decide what it is compiled for."""
    if not _compiled:
        _compiled.append(torch.compile(_chunk, dynamic=False))
    return _compiled[0]
