"""Matrix products of the blocks in 8-bit floating point, by torchao, where the hardware has it.

Each tensor gets one scale, computed from its largest value in every step ("dynamic tensorwise"): inputs and weights as
e4m3, gradients as e5m2, sums in bf16 (Micikevicius et al., arXiv 2209.05433). Weights and optimizer stay float32; the
head, routers and matrices whose sides are no multiples of 16 stay as they are. Names of weights do not change.

Tested in emulation on a CPU (with torchao installed), never on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from torch import nn

from ownlm.errors import DependencyError, RecipeError
from ownlm.train.config import TrainConfig

CAPABILITY = (8, 9)
"""Of CUDA devices that multiply 8-bit floats: Ada, Hopper and later."""


def check_fp8(config: TrainConfig, capability: tuple[int, int] | None) -> None:
    """Whether a recipe can have fp8 on a machine.

    Args:
        config: what the recipe asks.
        capability: of the CUDA device; None: there is none.

    Raises:
        RecipeError: the hardware does not have it, or the layout does not go with it.
        DependencyError: torchao is missing.
    """
    if capability is None or capability < CAPABILITY:
        found = "no GPU" if capability is None else f"CUDA capability {capability[0]}.{capability[1]}"
        raise RecipeError(
            f"fp8 needs a GPU of CUDA capability {CAPABILITY[0]}.{CAPABILITY[1]} or more; here is {found}",
            where="train.precision",
            advice="set it to auto or bf16",
        )
    if config.mesh.tensor > 1:
        raise RecipeError(
            "fp8 does not go with tensor parallelism here", where="train.mesh.tensor", advice="shard instead, or bf16"
        )
    if find_spec("torchao") is None:
        raise DependencyError(
            "fp8 needs the package torchao", where="train.precision", advice="pip install 'ownlm[fp8]'"
        )


def use_fp8(blocks: Iterable[nn.Module], *, emulate: bool = False) -> None:
    """Let the linear layers of blocks multiply in fp8. Before they are compiled.

    Args:
        blocks: of a decoder.
        emulate: round as fp8 does, multiply in the wider type: for tests on machines without the hardware.
    """
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training

    for block in blocks:
        convert_to_float8_training(block, config=Float8LinearConfig(emulate=emulate), module_filter_fn=_fits)


def _fits(module: nn.Module, name: str) -> bool:
    if not isinstance(module, nn.Linear) or name.endswith("mlp.gate"):
        return False
    return module.in_features % 16 == 0 and module.out_features % 16 == 0
