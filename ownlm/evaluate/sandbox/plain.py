"""Programs as plain processes, for `--unsafe`: limited, never contained.

They can read, write and reach whatever the harness' user can. Where there are control groups, memory, processes and CPU
time of the whole tree are limited all the same, and nothing stays behind; elsewhere a program that forks without end
is not held back before its time is over.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox import layout
from ownlm.evaluate.sandbox.cgroup import Group, Hierarchy
from ownlm.evaluate.sandbox.descriptors import Descriptor, memory_file, pipe
from ownlm.evaluate.sandbox.meter import Meter
from ownlm.evaluate.sandbox.program import Ended, Program, Step
from ownlm.evaluate.sandbox.tree import Tree
from ownlm.evaluate.sandbox.watch import Streams, conclude, watch


class PlainSandbox:
    """Runs programs without containment. Safe to call from several threads.

    Args:
        hierarchy: of control groups, if there are any.
    """

    def __init__(self, hierarchy: Hierarchy | None) -> None:
        self._hierarchy = hierarchy

    def run(self, program: Program) -> list[Ended]:
        """Run the steps in turn, in one fresh folder; stops after the first that does not exit with 0.

        Raises:
            SandboxError: a file of the program is not inside its folder.
        """
        layout.check(program)
        ended: list[Ended] = []
        with tempfile.TemporaryDirectory(prefix="ownlm-", ignore_cleanup_errors=True) as folder:
            for path, content in program.files.items():
                file = Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            for step in program.steps:
                meter = Tree() if self._hierarchy is None else Group(self._hierarchy)
                ended.append(_run(program, step, folder, meter))
                if (ended[-1].how, ended[-1].code) != ("exit", 0):
                    break
        return ended

    def describe(self) -> dict[str, str]:
        """That nothing is contained."""
        groups = "none" if self._hierarchy is None else f"v{self._hierarchy.version}"
        return {"contained": "no", "tool": "none", "user": "the harness' own", "control groups": groups,
                "system calls": "all", "network": "the machine's"}  # fmt: skip


def _run(program: Program, step: Step, folder: str, meter: Meter) -> Ended:
    seconds = math.ceil(step.limits.cpu_seconds) + 1
    joins = meter.enter()
    memory = "" if joins else f"ulimit -d {step.limits.memory_bytes // 1024}; "
    join = "".join(f'echo 0 >"${place}" && ' for place in range(1, len(joins) + 1))
    script = f'ulimit -c 0; ulimit -t {seconds}; {memory}{join}shift {len(joins)} && exec "$@"'
    environment = {**layout.ENVIRONMENT, "HOME": folder, **program.environment}
    with ExitStack() as closing:
        closing.callback(meter.close)
        meter.limit(step.limits)
        (out, out_end), (err, err_end), (answers, answers_end) = (pipe(closing) for _ in range(3))
        stdin = closing.enter_context(memory_file(step.stdin))
        process = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", script, "sh", *joins, *step.command],
            stdin=stdin, stdout=out_end, stderr=err_end, env=environment, cwd=folder, start_new_session=True,
        )  # fmt: skip
        meter.follow(process.pid)
        waiter = threading.Thread(target=_wait, args=(process, answers_end))
        waiter.start()
        out_end.close()
        err_end.close()
        streams = Streams((out, err), answers)

        def kill() -> None:
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: the stopped start no others
                known: set[int] = set()
                while new := set(meter.pids()) - known:
                    known |= new
                    for pid in new:
                        with suppress(ProcessLookupError, PermissionError):
                            os.kill(pid, number)

        try:
            watched = watch(streams, step.limits, meter, 0.0, kill)
        finally:
            kill()
            waiter.join()
        ended = conclude(step.limits, streams, watched, meter, meter.cpu_seconds())
    if ended is None:
        raise SandboxError("a process ended without a status", advice="run it again")
    return ended


def _wait(process: subprocess.Popen[bytes], answers: Descriptor) -> None:
    """Say how the process ended, as the supervisor of a contained program does."""
    code = process.wait()
    os.write(answers, f"{-code if code < 0 else code << 8}\n".encode())
