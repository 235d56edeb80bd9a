"""Several processes of one gloo group, running one function: what tests of layouts share."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.spawn import start_processes


def _enter(
    rank: int, world: int, port: int, folder: Path, run: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(world)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
    try:
        run(folder, *arguments)
    finally:
        torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def together(world: int, folder: Path, run: Callable[..., None], *arguments: Any) -> None:
    """Call `run(folder, *arguments)` in `world` processes that form a process group.

    They are forked from a process without threads that has imported torch and the trainer once: some 4 s of CPU each.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(["ownlm.train.process", __name__])
    start_processes(  # type: ignore[no-untyped-call]
        _enter, (world, free_port(), folder, run, arguments), nprocs=world, start_method="forkserver"
    )
