"""Tensor parallel: matrices divided over places that see the same tokens (Megatron-LM, arXiv 1909.08053).

    q, k, v, gate, up   rows divided: each place has some heads, some of the inner width     (no communication)
    o, down             columns divided: the places' results are summed                      (all-reduce)
    embedding, head     the vocabulary divided; the last place may have fewer tokens than the others
    experts             each expert like a feed-forward (`ownlm.train.parallel.experts`); routers are on every place
    state space         layers are on every place, whole: their heads share norms and maps (Mamba-2's group norm)

What every place computes whole is the same everywhere, and so is its gradient.

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
    PrepareModuleInputOutput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

from ownlm.model.block import Block
from ownlm.model.decoder import Decoder
from ownlm.model.experts import MixtureOfExperts
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
    plan = _attention(block, stream) if hasattr(block, "self_attn") else {}
    mixer = "self_attn" if plan else "mamba"
    if isinstance(block.mlp, MixtureOfExperts):
        if block.mlp.shared_experts is not None:
            plan |= _feed_forward("mlp.shared_experts", Replicate())
    else:
        plan |= _feed_forward("mlp", stream)
    if not sequence:
        return plan
    plan |= {"input_layernorm": SequenceParallel(), "post_attention_layernorm": SequenceParallel()}
    plan[mixer] = _gathered(Shard(1), None) if mixer == "self_attn" else _whole(Shard(1), None)
    plan["mlp"] = _gathered(Shard(1)) if isinstance(block.mlp, FeedForward) else _whole(Shard(1))
    return plan


def _attention(block: Block, stream: Placement) -> dict[str, ParallelStyle]:
    plan: dict[str, ParallelStyle] = {f"self_attn.{name}": ColwiseParallel() for name in ("q_proj", "k_proj", "v_proj")}
    if block.self_attn.q_norm is not None:
        # One weight for all heads, of which each place has some: its gradient is the sum over places.
        for name in ("q_norm", "k_norm"):
            plan[f"self_attn.{name}"] = SequenceParallel(sequence_dim=2, use_local_output=True)
    return plan | {"self_attn.o_proj": RowwiseParallel(output_layouts=stream)}


def _feed_forward(name: str, stream: Placement) -> dict[str, ParallelStyle]:
    return {
        f"{name}.gate_proj": ColwiseParallel(),
        f"{name}.up_proj": ColwiseParallel(),
        f"{name}.down_proj": RowwiseParallel(output_layouts=stream),
    }


def _everywhere(inputs: tuple[Placement | None, ...]) -> tuple[Placement | None, ...]:
    return tuple(None if one is None else Replicate() for one in inputs)


def _gathered(*inputs: Placement | None) -> ParallelStyle:
    """All positions go in; what comes out is divided by the module itself."""
    return PrepareModuleInput(input_layouts=inputs, desired_input_layouts=_everywhere(inputs))


def _whole(*inputs: Placement | None) -> ParallelStyle:
    """All positions go in and come out, the same on every place; each keeps its own of them."""
    return PrepareModuleInputOutput(
        input_layouts=inputs,
        desired_input_layouts=_everywhere(inputs),
        use_local_input=True,
        output_layouts=Replicate(),
        desired_output_layouts=Shard(1),
    )
