"""Which way attention over packed documents is computed: how, not what, so it is no part of an architecture.

    device            precision        documents
    any, compiled     float32, bf16    sdpa on a CPU (one mask), flex on CUDA (no data-dependent shapes)
    CPU, eager        float32, bf16    sdpa below 1,024 positions, from there document by document
    CUDA, eager       bf16, float16    varlen (FlashAttention); float32: sdpa

All agree within rounding (the tests compare each with the reference); a row of one document gives the reference's bits.
Nothing of this was run on CUDA.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ownlm.model.attention.documents import documents
from ownlm.model.attention.flex import flex
from ownlm.model.attention.sdpa import sdpa
from ownlm.model.attention.varlen import varlen
from ownlm.model.view import Attend

Backend = Literal["auto", "sdpa", "documents", "flex", "varlen"]

DOCUMENTS_PAY_FROM = 1024
"""Positions of a row from which a CPU is faster document by document (docs/model.md)."""

_HALF = (torch.bfloat16, torch.float16)


def choose(segments_BL: Tensor, dtype: torch.dtype) -> Backend:
    """What `auto` stands for.

    Args:
        segments_BL: the documents of the pass.
        dtype: of queries, keys and values.
    """
    compiling = torch.compiler.is_compiling()
    if segments_BL.is_cuda:
        if compiling:
            return "flex"
        return "varlen" if dtype in _HALF else "sdpa"
    long = segments_BL.shape[1] >= DOCUMENTS_PAY_FROM
    return "documents" if long and not compiling and segments_BL.device.type == "cpu" else "sdpa"


def attention_over(segments_BL: Tensor | None, dtype: torch.dtype, backend: Backend = "auto") -> Attend:
    """The attention of a pass.

    Args:
        segments_BL: the documents; None: one a row.
        dtype: of queries, keys and values.
        backend: how to compute it.
    """
    if segments_BL is None:
        return sdpa(None)
    name = choose(segments_BL, dtype) if backend == "auto" else backend
    match name:
        case "documents":
            return documents(segments_BL)
        case "flex":
            return flex(segments_BL)
        case "varlen":
            return varlen(segments_BL)
        case _:
            return sdpa(segments_BL)
