"""Attention document by document, each plain causal: no mask, and nothing computed between documents.

The work is the sum of squared document lengths instead of rows * L * L. Equal to the reference but for rounding. Needs
the documents' places as numbers on the host, so it is for eager code on a CPU; what it gains is in docs/model.md.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ownlm.model.view import Attend

Lengths = list[list[int]]
"""Of the documents of each row, in order; they sum to the row's length."""


def documents(segments_BL: Tensor) -> Attend:
    """Attention for a pass; a segment that is left and comes again counts as two documents."""
    return partial(_attend, lengths_of(segments_BL))


def lengths_of(segments_BL: Tensor) -> Lengths:
    """How long the documents of every row are."""
    found = []
    for changes in (segments_BL[:, 1:] != segments_BL[:, :-1]).tolist():
        cuts = [0, *(place + 1 for place, change in enumerate(changes) if change), len(changes) + 1]
        found.append([stop - start for start, stop in pairwise(cuts)])
    return found


def _attend(lengths: Lengths, q_BNLH: Tensor, k_BKSH: Tensor, v_BKSH: Tensor) -> Tensor:
    gqa = k_BKSH.shape[1] != q_BNLH.shape[1]
    if all(len(row) == 1 for row in lengths):
        return F.scaled_dot_product_attention(q_BNLH, k_BKSH, v_BKSH, is_causal=True, enable_gqa=gqa)
    rows_1NLH = []
    # split, not slices: the gradient of a split is one concatenation, that of a slice a whole tensor of zeros
    for row, of_row in zip(
        lengths, zip(*(torch.split(x, 1) for x in (q_BNLH, k_BKSH, v_BKSH)), strict=True), strict=True
    ):
        parts = zip(*(torch.split(x, row, dim=2) for x in of_row), strict=True)
        mixed = [F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=gqa) for q, k, v in parts]
        rows_1NLH.append(torch.cat(mixed, dim=2))
    return torch.cat(rows_1NLH)
