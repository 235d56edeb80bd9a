"""Which activations of a block are kept for the backward pass, and which are computed again.

    none        all are kept
    selective   matrix products and attention are kept, what is cheap in between is computed again
    full        only a block's input is kept: a third more computation for the least memory

torch's non-reentrant checkpointing (arXiv 1604.06174), block by block, inside of what is compiled. Losses and gradients
are those of `none`, bit for bit where the code is not compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from ownlm.train.config import ActivationCheckpointing

_aten = torch.ops.aten
KEPT: tuple[Any, ...] = (
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten._grouped_mm.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
    torch.ops.higher_order.flex_attention,
)
"""Operations whose results `selective` keeps: those that cost far more time than memory."""


def checkpoint_activations(blocks: Iterable[nn.Module], which: ActivationCheckpointing) -> None:
    """Let blocks compute their activations again in the backward pass. Before they are compiled.

    Args:
        blocks: of a decoder; their names and weights stay as they are.
        which: "none", "selective" or "full".
    """
    if which == "none":
        return
    # Nothing in a block draws random numbers.
    settings: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
    if which == "selective":
        settings["context_fn"] = partial(create_selective_checkpoint_contexts, _policy)
    for block in blocks:
        block.forward = _checkpointed(block.forward, settings)


def _checkpointed(forward: Callable[..., Any], settings: dict[str, Any]) -> Callable[..., Any]:
    """A function, not a `partial`: torch.compile passes over a module whose `forward` is one."""

    def run(*arguments: Any) -> Any:
        return checkpoint(forward, *arguments, **settings)

    return run


def _policy(context: object, operation: object, *arguments: Any, **named: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operation in KEPT else CheckpointPolicy.PREFER_RECOMPUTE
