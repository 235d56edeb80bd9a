"""Several processes of one gloo group, running one function: what tests of layouts share.

Starting processes and importing torch costs far more than most of what they are asked, so a group waits for the next
function. After an error it is ended, and the next call starts a fresh one.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing


def _serve(rank: int, world: int, port: int, calls: Connection) -> None:
    """In a process of a group: answer each call with None, or with what went wrong, in words."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": str(world)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
    while True:
        run, arguments = calls.recv()
        try:
            run(*arguments)
            torch.distributed.barrier()
            calls.send(None)
        except Exception:
            calls.send(f"in the process of rank {rank}:\n{traceback.format_exc()}")


class _Group:
    """Processes that wait for functions."""

    def __init__(self, world: int) -> None:
        spawn, port = multiprocessing.get_context("spawn"), free_port()
        self._pipes: list[Connection] = []
        self._processes = []
        for rank in range(world):
            here, there = spawn.Pipe()
            # Ended with this process, if not before.
            process = spawn.Process(target=_serve, args=(rank, world, port, there), daemon=True)
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def call(self, run: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Wait until all are done, or the first one fails."""
        for pipe in self._pipes:
            pipe.send((run, arguments))
        waiting = list(self._pipes)
        while waiting:
            for pipe in wait(waiting):
                assert isinstance(pipe, Connection)
                waiting.remove(pipe)
                try:
                    wrong = pipe.recv()
                except EOFError:
                    wrong = f"the process of rank {self._pipes.index(pipe)} is gone"
                if wrong is not None:
                    raise RuntimeError(wrong)

    def end(self) -> None:
        """Now."""
        for process in self._processes:
            process.kill()
            process.join()


_groups: dict[int, _Group] = {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def together(world: int, folder: Path, run: Callable[..., None], *arguments: Any) -> None:
    """Call `run(folder, *arguments)` in `world` processes that form a process group."""
    if world not in _groups:
        _groups[world] = _Group(world)
    try:
        _groups[world].call(run, (folder, *arguments))
    except BaseException:
        _groups.pop(world).end()
        raise
