"""Tensor parallel: matrices divided over places that see the same tokens (Megatron-LM, arXiv 1909.08053).

    q, k, v, gate, up   rows divided: each place has some heads, some of the inner width     (no communication)
    o, down             columns divided: the places' results are summed                      (all-reduce)
    embedding, head     the vocabulary divided; the last place may have fewer tokens than the others

With `sequence` (arXiv 2205.05198) what lies between the matrices is divided along the sequence: norms and the residual
stream cost each place a part of the memory, and the all-reduce becomes a reduce-scatter and an all-gather.
"""

from __future__ import annotations

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Placement, Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

from ownlm.model.block import Block
from ownlm.model.decoder import Decoder
from ownlm.model.feed_forward import FeedForward


def divide(decoder: Decoder, mesh: DeviceMesh, sequence: bool) -> None:
    """Divide a decoder's matrices over the places of `mesh` (one dimension), in place."""
    stream: Placement = Shard(1) if sequence else Replicate()
    plan: dict[str, ParallelStyle] = {}
    if isinstance(decoder.embed_tokens, nn.Embedding):
        plan["embed_tokens"] = RowwiseParallel(input_layouts=Replicate(), output_layouts=stream)
    if isinstance(decoder.lm_head, nn.Linear):
        plan["lm_head"] = ColwiseParallel(use_local_output=False)
        if sequence:
            plan["norm"] = SequenceParallel()
    parallelize_module(decoder, mesh, plan)
    if decoder.architecture.tied and "embed_tokens" in plan and "lm_head" in plan:
        decoder.lm_head.weight = decoder.embed_tokens.weight
    for block in decoder.layers:
        if isinstance(block, Block):
            parallelize_module(block, mesh, _plan(block, sequence, stream))


def _plan(block: Block, sequence: bool, stream: Placement) -> dict[str, ParallelStyle]:
    """What becomes of each part of a block."""
    plan: dict[str, ParallelStyle] = {}
    for name in ("q_proj", "k_proj", "v_proj"):
        plan[f"self_attn.{name}"] = ColwiseParallel()
    plan["self_attn.o_proj"] = RowwiseParallel(output_layouts=stream)
    if isinstance(block.mlp, FeedForward):
        plan |= {"mlp.gate_proj": ColwiseParallel(), "mlp.up_proj": ColwiseParallel()}
        plan["mlp.down_proj"] = RowwiseParallel(output_layouts=stream)
    if sequence:
        plan |= {"input_layernorm": SequenceParallel(), "post_attention_layernorm": SequenceParallel()}
        plan["mlp"] = PrepareModuleInput(input_layouts=(Shard(1),), desired_input_layouts=(Replicate(),))
        plan["self_attn"] = PrepareModuleInput(
            input_layouts=(Shard(1), None), desired_input_layouts=(Replicate(), None)
        )
    return plan
