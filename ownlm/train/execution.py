"""How the machine at hand computes: device, precision, compiled or not. Chosen once, shown in the report.

`auto` picks what measured faster. On CPUs: bf16 only with AVX512-BF16 or AMX (elsewhere it is emulated and slower than
float32); torch.compile (+31 % tokens/s for the 2.6m size on 2 cores, 12-34 s to start) only when a run is long enough
to win that back, and when there is a C++ compiler and Python's headers. On CUDA: bf16 and compile. Nothing here was run
on CUDA.

Determinism: `deterministic()` makes compiled code repeatable (without it, three runs with two threads gave three
results). Bits are equal between runs with the same execution on the same kind of machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from ownlm.errors import DependencyError
from ownlm.train.config import TrainConfig
from ownlm.train.fp8 import check_fp8

CPU_COMPILE_PAYS_FROM = 2e13
"""Floating-point operations of a whole run, about 150 s eager on two cores, from which compiling pays."""


@dataclass(frozen=True)
class Execution:
    """How a run computes.

    Attributes:
        device: "cpu" or "cuda".
        bf16: matrix products in bfloat16 by autocast; weights and optimizer stay float32.
        compiled: the loss and its gradient go through torch.compile.
        threads: CPU threads of torch.
        machine: the instruction set, e.g. "x86_64 AVX512": another one changes the last bits.
        fp8: the blocks' matrix products in 8 bits, the rest as with bf16.
    """

    device: str
    bf16: bool
    compiled: bool
    threads: int
    machine: str
    fp8: bool = False

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values, for checkpoints and the report."""
        return asdict(self)

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the forward pass."""
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bf16)


def choose_execution(config: TrainConfig, flops: float) -> Execution:
    """Resolve `auto` for this machine.

    Args:
        config: what the recipe asks.
        flops: floating-point operations of the whole run.

    Raises:
        DependencyError: when compiling is demanded and the compiler is missing; or fp8, and torchao is.
        RecipeError: when fp8 is demanded and the hardware does not have it.
    """
    cuda = torch.cuda.is_available()
    fp8 = config.precision == "fp8"
    if fp8:
        check_fp8(config, torch.cuda.get_device_capability() if cuda else None)
    missing = "" if cuda else missing_to_compile()
    if config.compile == "on" and missing:
        raise DependencyError(
            f"train.compile is on, but {missing}",
            where="train.compile",
            advice="install a C++ compiler and Python's headers (Debian: g++ python3-dev), or set it to auto",
        )
    pays = cuda or flops >= CPU_COMPILE_PAYS_FROM
    return Execution(
        device="cuda" if cuda else "cpu",
        bf16=fp8 or config.precision == "bf16" or (config.precision == "auto" and _fast_bf16(cuda)),
        # Blocks divided by tensor parallel cannot be compiled with torch 2.13: their backward pass fails.
        compiled=config.compile == "on"
        or (config.compile == "auto" and pays and not missing and config.mesh.tensor == 1),
        threads=torch.get_num_threads(),
        machine=torch.cuda.get_device_name()
        if cuda
        else f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        fp8=fp8,
    )


def missing_to_compile() -> str:
    """What torch.compile lacks on this machine for CPU code, in words; empty when it has all."""
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "g++", "clang++")):
        return "no C++ compiler was found"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers (Python.h) were not found"
    return ""


def _fast_bf16(cuda: bool) -> bool:
    """Whether the machine multiplies bf16 in hardware."""
    if cuda:
        return bool(torch.cuda.is_bf16_supported())
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)


@contextmanager
def deterministic(execution: Execution) -> Iterator[None]:
    """Deterministic algorithms inside; the settings before are restored. On CUDA an operation without one warns."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    settings: Any = torch.utils.deterministic
    filled = settings.fill_uninitialized_memory
    if execution.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=execution.device == "cuda")
    # Filling every fresh buffer would guard against reading one before writing it; it costs time on each operation.
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        settings.fill_uninitialized_memory = filled
