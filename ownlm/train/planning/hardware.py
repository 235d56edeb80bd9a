"""GPUs a layout can be proposed for. Memory as CUDA reports it; operations, NVLink and PCIe from NVIDIA's data sheets
(dense bf16; links in one direction), networks as 8-GPU machines are commonly sold with.

Prices are dollars an hour of one GPU on demand, typical of cloud lists at the turn of 2025 to 2026 (RunPod,
Lambda); they move by the month, so `--price` overrides them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ownlm.errors import RecipeError

PRICED = "typical on-demand list prices of 2025/26"


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU.

    Attributes:
        name: as on the command line.
        memory: bytes.
        flops: dense bf16 operations a second.
        inside: bytes a second to the other GPUs of its machine, one direction.
        between: bytes a second to other machines, its share of them.
        price: dollars an hour.
        a_machine: GPUs of one machine.
    """

    name: str
    memory: int
    flops: float
    inside: float
    between: float
    price: float
    a_machine: int = 8


_GIB = 1 << 30
GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("b200-180gb", 178 * _GIB, 2250e12, 900e9, 50e9, 5.98),
        Gpu("h200-141gb", 139 * _GIB, 989e12, 450e9, 50e9, 3.59),
        Gpu("h100-80gb", 79 * _GIB, 989e12, 450e9, 50e9, 2.69),
        Gpu("h100-pcie-80gb", 79 * _GIB, 756e12, 64e9, 25e9, 2.39),
        Gpu("a100-80gb", 79 * _GIB, 312e12, 300e9, 25e9, 1.49),
        Gpu("a100-40gb", 39 * _GIB, 312e12, 300e9, 25e9, 1.29),
        Gpu("l40s-48gb", 44 * _GIB, 362e12, 32e9, 12.5e9, 0.86),
        Gpu("rtx4090-24gb", 23 * _GIB, 165e12, 32e9, 12.5e9, 0.69),
        Gpu("a10-24gb", 22 * _GIB, 125e12, 32e9, 12.5e9, 0.75),
        Gpu("l4-24gb", 22 * _GIB, 121e12, 32e9, 12.5e9, 0.43),
    )
}

RESERVED = 1.5 * _GIB
"""Of a GPU's memory: CUDA's context, NCCL's buffers, work space of matrix products."""
FRAGMENTED = 0.05
"""Share of the rest that the allocator cannot use."""


def usable(gpu: Gpu) -> int:
    """Bytes tensors can have."""
    return int((gpu.memory - RESERVED) * (1 - FRAGMENTED))


def gpu_named(name: str) -> Gpu:
    """A kind of GPU by its name.

    Raises:
        RecipeError: it is not in the table.
    """
    found = GPUS.get(name.lower())
    if found is None:
        raise RecipeError(f"no GPU is known as {name!r}", where="--gpu", advice=f"one of: {', '.join(GPUS)}")
    return found
