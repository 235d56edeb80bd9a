"""Put a decoder into a layout: cut into stages, divided, sharded, its weights drawn place by place.

    Decoder on no device ─► stages ─► tensor ─► data ─► memory on the device ─► initial weights of this place's parts

The order matters: weights are divided by `tensor` first, and what is left of them is sharded.
"""

from __future__ import annotations

import torch

from ownlm.model.architecture import Architecture
from ownlm.model.decoder import Decoder
from ownlm.model.initialize import initial_weights
from ownlm.train.activations import checkpoint_activations
from ownlm.train.config import TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.fp8 import use_fp8
from ownlm.train.parallel import data, experts, tensor
from ownlm.train.parallel.computation import Computation, OneProcess
from ownlm.train.parallel.layout import Layout, MeshLayout
from ownlm.train.parallel.pipeline import Pipelined, stages_of
from ownlm.train.parallel.single import OneStage
from ownlm.train.parallel.stage import Stage, cut, merged
from ownlm.train.parallel.state import put


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
        _prepare(decoder, settings, execution)
        return decoder, OneProcess(decoder, execution, settings.z_loss)
    with torch.device("meta"):
        whole, names = Decoder(architecture), Decoder(architecture)
    indices, count = stages_of(layout), layout.config.stages
    parts = [cut(whole, count)[index] for index in indices]
    context = layout.mesh["context"] if layout.config.context > 1 else None
    stages = [Stage(part, i == count - 1, context, settings.z_loss) for i, part in zip(indices, parts, strict=True)]
    for part, stage in zip(parts, stages, strict=True):
        if layout.config.tensor > 1:
            tensor.divide(part, layout.weights["tensor"], layout.config.sequence)
        experts.divide(part, layout)
        _prepare(part, settings, execution)
        data.distribute(stage, part, layout, execution.bf16)
    mine = merged(parts)
    mine.to_empty(device=execution.device)
    for buffer in mine.buffers():
        buffer.zero_()
    put(mine, initial_weights(architecture, names.named_parameters(), settings.seed))
    if count == 1:
        return mine, OneStage(stages[0], execution, layout)
    return mine, Pipelined(mine, stages, indices, execution, layout, settings.batch)


def _prepare(decoder: Decoder, settings: TrainConfig, execution: Execution) -> None:
    """What is done to blocks before they are sharded."""
    if execution.fp8:
        use_fp8(decoder.layers)
    checkpoint_activations(decoder.layers, settings.activation_checkpointing)
    if execution.compiled:
        for block in decoder.layers:
            block.compile(dynamic=False)
