"""Whether training fits on the machine it is about to begin on."""

from __future__ import annotations

import torch

from ownlm.model.architecture import Architecture
from ownlm.train.config import TrainConfig
from ownlm.train.execution import Execution
from ownlm.train.planning.fit import check_fits, memory_of_machine


def check_memory(architecture: Architecture, train: TrainConfig, execution: Execution) -> None:
    """Refuse, before the first step, what cannot fit into this GPU's memory, or into this machine's.

    Raises:
        RecipeError: see `ownlm.train.planning.fit`.
    """
    if execution.device == "cuda":
        available = torch.cuda.mem_get_info()[1]
    else:
        available = memory_of_machine(train.mesh.places // train.mesh.nodes)
    check_fits(architecture, train, available, bf16=execution.bf16, device=execution.device)
