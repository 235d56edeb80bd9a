"""Put a decoder into a layout: cut into stages, divided, sharded, its weights drawn place by place.

    Decoder on no device ─► stages ─► tensor ─► data ─► memory on the device ─► initial weights of this place's parts

The order matters: weights are divided by `tensor` first, and what is left of them is sharded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from ownlm.model.architecture import Architecture
from ownlm.model.decoder import Decoder
from ownlm.model.initialize import initial_weights
from ownlm.train.config import TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.parallel import data, tensor
from ownlm.train.parallel.computation import Computation, OneProcess
from ownlm.train.parallel.layout import Layout, MeshLayout
from ownlm.train.parallel.pipeline import Pipelined, stages_of
from ownlm.train.parallel.single import OneStage
from ownlm.train.parallel.stage import Stage, cut, merged


def place(
    architecture: Architecture, settings: TrainConfig, execution: Execution, layout: Layout
) -> tuple[Decoder, Computation]:
    """A fresh decoder as `layout` divides it.

    Args:
        architecture: the model.
        settings: seed (weights are the same in every layout), batch, loss.
        execution: device, precision, compilation.
        layout: of this process.

    Returns:
        The decoder with the weights this process holds (sharded ones as DTensors), and what computes with it.
    """
    if not isinstance(layout, MeshLayout):
        decoder = Decoder(architecture, settings.seed).to(execution.device)
        return decoder, OneProcess(decoder, execution)
    with torch.device("meta"):
        whole, names = Decoder(architecture), Decoder(architecture)
    count = layout.config.pipeline
    indices = stages_of(layout)
    parts = [cut(whole, count * len(indices))[index] for index in indices]
    context = layout.mesh["context"] if layout.config.context > 1 else None
    last = count * len(indices) - 1
    stages = [Stage(part, i == last, context, settings.z_loss) for i, part in zip(indices, parts, strict=True)]
    for part, stage in zip(parts, stages, strict=True):
        if layout.config.tensor > 1:
            tensor.divide(part, layout.weights["tensor"], layout.config.sequence)
        if execution.compiled:
            for block in part.layers:
                block.compile(dynamic=False)
        data.distribute(stage, part, layout, execution.bf16)
    mine = merged(parts)
    mine.to_empty(device=execution.device)
    put(mine, initial_weights(architecture, names.named_parameters(), settings.seed))
    if count == 1:
        return mine, OneStage(stages[0], execution, layout)
    return mine, Pipelined(mine, stages, indices, execution, layout, settings.batch)


@torch.no_grad()
def put(decoder: nn.Module, values: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> None:
    """Copy whole tensors into the parts of them that this process holds. Names it does not hold are passed over.

    A head that is tied to an embedding on another stage is a weight of its own here: it takes the embedding's value.
    """
    weights = dict(decoder.named_parameters())
    head = weights.get("lm_head.weight")
    for name, value in values.items() if isinstance(values, Mapping) else values:
        if name in weights:
            _copy(weights[name], value)
        elif name == "embed_tokens.weight" and head is not None:
            _copy(head, value)


def _copy(weight: Tensor, value: Tensor) -> None:
    if isinstance(weight, DTensor):
        value = value.to(weight.device)
        weight.copy_(distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None))
    else:
        weight.copy_(value)
