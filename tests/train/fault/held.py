"""A train stage that waits for its end at chosen moments: `... INPUTS WORK SETTINGS MOMENTS`.

    gradient:9     after the 9th backward pass; with `accumulate: 2` the first half of step 5 of this start
    update:5       in the 5th update: Muon has moved its weights, AdamW not yet its own
    part:2         in the 2nd save: a file of tensors is half written
    rename:2       in the 2nd save: all is written, the folder has not its name yet

MOMENTS are met one a start, in their order. A process at its moment writes its number to WORK/held-MOMENT and waits to
be killed. In a mesh that is rank 1, or rank 0 where only that one acts; its workers are this module, too.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

BLOCKS = 10
"""So many writes of a file of tensors are whole, the next one is not."""


class Held:
    """Counts what happens; at the `at`-th time it waits for its end.

    Args:
        marker: written then.
        at: counted from 1.
    """

    def __init__(self, marker: Path, at: int) -> None:
        self._marker, self._at, self._count = marker, at, 0

    def passed(self) -> bool:
        """It happens once more; whether now is the moment."""
        self._count += 1
        return self._count == self._at

    def wait(self) -> None:
        """For ever."""
        new = self._marker.with_suffix(".new")
        new.write_text(str(os.getpid()))
        new.rename(self._marker)
        threading.Event().wait()


def in_gradient(held: Held) -> None:
    from ownlm.train.step import Stepper

    counted = Stepper._count_experts

    def count(self: Stepper) -> None:
        counted(self)
        if held.passed():
            held.wait()

    Stepper._count_experts = count  # type: ignore[method-assign]


def in_update(held: Held) -> None:
    from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

    from ownlm.train.muon import Muon

    def after(optimizer: Optimizer, arguments: Any, named: Any) -> None:
        if isinstance(optimizer, Muon) and held.passed():
            held.wait()

    register_optimizer_step_post_hook(after)


class Halved:
    """A stream whose 11th write is cut in half."""

    def __init__(self, stream: BinaryIO, held: Held) -> None:
        self._stream, self._held, self._left = stream, held, BLOCKS

    def write(self, block: memoryview) -> int:
        if self._left == 0:
            self._stream.write(block[: len(block) // 2])
            self._stream.flush()
            self._held.wait()
        self._left -= 1
        return self._stream.write(block)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def in_part(held: Held) -> None:
    from ownlm.train.checkpoint.place import Folder

    writing = Folder.writing

    @contextmanager
    def half(self: Folder, step: int, name: str) -> Iterator[BinaryIO]:
        with writing(self, step, name) as stream:
            yield cast(BinaryIO, Halved(stream, held)) if name.startswith("rank-") and held.passed() else stream

    Folder.writing = half  # type: ignore[method-assign]


def before_rename(held: Held) -> None:
    rename = Path.rename

    def renamed(self: Path, target: Any) -> Path:
        if self.name.startswith(".step-") and held.passed():
            held.wait()
        return rename(self, target)

    Path.rename = renamed  # type: ignore[method-assign,assignment]


HOLDS: dict[str, Callable[[Held], None]] = {
    "gradient": in_gradient,
    "update": in_update,
    "part": in_part,
    "rename": before_rename,
}


def marker_of(work: Path, moment: str) -> Path:
    return work / f"held-{moment.partition(':')[0]}"


def install(work: Path, moments: list[str], rank: int | None) -> None:
    """The first of the moments that has not been yet, if it is this rank's; None: the only process."""
    moment = next((one for one in moments if not marker_of(work, one).exists()), None)
    if moment is None:
        return
    kind, _, at = moment.partition(":")
    if rank is None or rank == (0 if kind == "rename" else 1):
        HOLDS[kind](Held(marker_of(work, moment), int(at)))


def worker(work: Path, moments: list[str], job: Path) -> int:
    from ownlm.train.worker import main

    install(work, moments, int(os.environ["RANK"]))
    return main(job)


def stage(work: Path, moments: list[str]) -> int:
    from ownlm.train.fault import agent
    from tests.train.parallel.child import main

    run_agent = agent.run_agent

    def run(config: Any, program: str, arguments: list[str], folder: Path) -> None:
        run_agent(config, program, ["-m", __spec__.name, "worker", str(work), *moments, arguments[-1]], folder)

    agent.run_agent = run
    install(work, moments, None)
    return main()


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        sys.exit(worker(Path(sys.argv[2]), sys.argv[3:-1], Path(sys.argv[-1])))
    sys.exit(stage(Path(sys.argv[2]), sys.argv[4:]))
