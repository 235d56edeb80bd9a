"""What the machine of a gateway does: this process's processor and memory, and the GPUs where NVML is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil


class Machine:
    """Read from time to time; processor use is that since the last reading.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._process = clock, psutil.Process()
        self._read_at, self._cpu_s = clock(), self._cpu()
        self._nvml = _nvml()

    def read(self) -> dict[str, float]:
        """`cores` in use, `memory_gb` of this process; `gpu_busy` (mean share) and `gpu_memory_gb` of all GPUs."""
        now, cpu_s = self._clock(), self._cpu()
        cores = (cpu_s - self._cpu_s) / max(now - self._read_at, 1e-9)
        self._read_at, self._cpu_s = now, cpu_s
        return {"cores": max(0.0, cores), "memory_gb": self._process.memory_info().rss / 1e9} | self._gpus()

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _gpus(self) -> dict[str, float]:
        if self._nvml is None:
            return {}
        with suppress(self._nvml.NVMLError):
            handles = [self._nvml.nvmlDeviceGetHandleByIndex(n) for n in range(self._nvml.nvmlDeviceGetCount())]
            busy = [float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100 for handle in handles]
            used = sum(float(self._nvml.nvmlDeviceGetMemoryInfo(handle).used) for handle in handles)
            return {"gpu_busy": sum(busy) / len(busy), "gpu_memory_gb": used / 1e9} if handles else {}
        return {}


def _nvml() -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package, no driver, no GPU: their numbers are not shown
        return None
    return pynvml
