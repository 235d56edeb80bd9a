"""Threads that engines compute in: as many as there is work for, kept for the next work, none of them waited for.

`ThreadPoolExecutor` joins its threads when the interpreter ends; one that hangs in an engine would hang the server's
end, too. These are daemons.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Workers:
    """Runs functions in threads of its own. The functions must not raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._free = self._threads = 0  # free: threads without work, less the tasks on their way to them

    def start(self, task: Callable[[], None]) -> None:
        """Run `task` at once, in a thread that is free or new."""
        with self._lock:
            self._free -= 1
            new = self._free < 0
            if new:
                self._free += 1
                self._threads += 1
        self._tasks.put(task)
        if new:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Let threads end when their work is done."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # what it holds is let go now, not with the next task
            with self._lock:
                self._free += 1
