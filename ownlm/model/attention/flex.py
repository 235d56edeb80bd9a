"""FlexAttention (pytorch.org/blog/flexattention): blocks of the mask that are empty are not computed. For CUDA.

Compiled, it is one fused kernel; not compiled (as the tests run it, on a CPU, where torch 2.13 has no gradient of it)
it holds all scores in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from ownlm.model.view import Attend


def flex(segments_BL: Tensor) -> Attend:
    """Attention for a pass."""
    batch, length = segments_BL.shape

    def visible(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (segments_BL[row, query] == segments_BL[row, key])

    mask = create_block_mask(visible, batch, None, length, length, device=str(segments_BL.device))
    fused = segments_BL.is_cuda and not torch.compiler.is_compiling()
    kernel: Any = _compiled() if fused else flex_attention
    return partial(_attend, kernel, mask)


@cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=False)


def _attend(kernel: Callable[..., Any], mask: BlockMask, q_BNLH: Tensor, k_BKSH: Tensor, v_BKSH: Tensor) -> Tensor:
    gqa = k_BKSH.shape[1] != q_BNLH.shape[1]
    mixed: Tensor = kernel(q_BNLH, k_BKSH, v_BKSH, block_mask=mask, enable_gqa=gqa)
    return mixed
