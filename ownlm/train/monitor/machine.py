"""What the machine does: processor and memory of this process and its loaders; the GPU's, where NVML is there.

NVML is asked through `pynvml` (nvidia-ml-py); without it, or without a GPU, its numbers are absent. Not run on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

GPU_EVERY_S = 1.0


class Machine:
    """This process's use of the machine.

    Args:
        device: "cpu" or "cuda".
        clock: seconds that never go back.
    """

    def __init__(self, device: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._process = clock, psutil.Process()
        self._asked, self._cpu = clock(), self._use()[0]
        self._gpu = Gpu() if device == "cuda" else None

    def step(self) -> None:
        """Look at the GPU, at most once a second: its own figure covers the last fraction of one."""
        if self._gpu is not None:
            self._gpu.look(self._clock())

    def numbers(self) -> dict[str, float]:
        """Cores in use since the last call, memory now (GB), and the GPU's."""
        now, (cpu, memory) = self._clock(), self._use()
        cores = (cpu - self._cpu) / max(now - self._asked, 1e-9)
        self._asked, self._cpu = now, cpu
        found = {"cores": max(cores, 0.0), "memory_gb": memory / 1e9}
        return found if self._gpu is None else found | self._gpu.numbers()

    @staticmethod
    def free() -> dict[str, float]:
        """Of the whole machine: memory that is left (GB)."""
        return {"memory_free_gb": psutil.virtual_memory().available / 1e9}

    def _use(self) -> tuple[float, int]:
        """Processor seconds so far and bytes now, loaders included; those that have ended count with their seconds."""
        processes = [self._process]
        with suppress(psutil.Error):
            processes += self._process.children(recursive=True)
        ended = self._process.cpu_times()
        seconds, memory = float(ended.children_user + ended.children_system), 0
        for process in processes:
            with suppress(psutil.Error):
                times = process.cpu_times()
                seconds, memory = seconds + times.user + times.system, memory + process.memory_info().rss
        return seconds, memory


class Gpu:
    """The GPU this process trains on, as NVML sees it."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handle: Any = None
        self._uses: list[float] = []
        self._looked = float("-inf")
        try:
            import pynvml
            import torch

            pynvml.nvmlInit()
            uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")
            self._nvml = pynvml
        except Exception:  # no package, no driver, a virtual GPU without NVML: its numbers are not shown
            self._nvml = None

    def look(self, now: float) -> None:
        """Note how busy it is, unless that was asked less than a second ago."""
        if self._nvml is None or now - self._looked < GPU_EVERY_S:
            return
        self._looked = now
        with suppress(self._nvml.NVMLError):
            self._uses.append(float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100)

    def numbers(self) -> dict[str, float]:
        """Busy (mean share since the last call), memory in use (GB), power (W), as far as known."""
        if self._nvml is None:
            return {}
        found: dict[str, float] = {}
        if self._uses:
            found["gpu_busy"] = sum(self._uses) / len(self._uses)
            self._uses = []
        with suppress(self._nvml.NVMLError):
            found["gpu_memory_gb"] = self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used / 1e9
        with suppress(self._nvml.NVMLError):
            found["gpu_power_w"] = self._nvml.nvmlDeviceGetPowerUsage(self._handle) / 1e3
        return found
