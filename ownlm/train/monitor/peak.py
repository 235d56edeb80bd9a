"""The most a device can compute: what MFU is a share of.

    MFU = training_flops_per_token x tokens/s / (peak of one device x devices)      (PaLM, appendix B, arXiv 2204.02311)

training_flops_per_token is `ownlm.model.counting`'s: 6 per weight of a matrix product, and attention's. The peak of a
GPU is its makers' figure for dense bf16 (also where a run computes in float32 or 8 bits, so that runs compare); that of
a CPU is measured when training starts: a product of square matrices in the run's own precision, the best of a few.
"""

from __future__ import annotations

import time
from functools import cache

import torch

from ownlm.train.execution import Execution

DENSE_BF16 = {
    "V100": 125e12,
    "A100": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "H100 NVL": 835e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "H800": 989e12,
    "B200": 2250e12,
    "B100": 1750e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}
"""Operations a second of dense bf16 products (V100: fp16), by a part of the device's name; NVIDIA's data sheets."""

_SIZE, _TRIES = 1024, 8


def peak_of(execution: Execution) -> float | None:
    """Operations a second of this process's device; None for a GPU that is not in the table."""
    if execution.device == "cuda":
        names = [name for name in DENSE_BF16 if name.lower() in execution.machine.lower()]
        return DENSE_BF16[max(names, key=len)] if names else None
    return _measured(execution.bf16, execution.threads)


@cache
def _measured(bf16: bool, threads: int) -> float:
    """Of this CPU with that many threads: kept, since it takes a tenth of a second."""
    with torch.inference_mode():
        matrix = torch.full((_SIZE, _SIZE), 0.5, dtype=torch.bfloat16 if bf16 else torch.float32)
        out = matrix @ matrix
        best = float("inf")
        for _ in range(_TRIES):
            started = time.perf_counter()
            torch.mm(matrix, matrix, out=out)
            best = min(best, time.perf_counter() - started)
    return 2.0 * _SIZE**3 / best
