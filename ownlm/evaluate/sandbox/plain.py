"""Programs as plain processes, for `--unsafe`: limited, never contained.

They can read, write and reach whatever the harness' user can. Limits are each process' own (ulimit), and what /proc
shows of the tree.
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
from ownlm.evaluate.sandbox.descriptors import Descriptor, memory_file, pipe
from ownlm.evaluate.sandbox.program import Ended, Program, Step
from ownlm.evaluate.sandbox.tree import Tree
from ownlm.evaluate.sandbox.watch import Streams, conclude, watch


class PlainSandbox:
    """Runs programs without containment. Safe to call from several threads."""

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
                ended.append(_run(program, step, folder))
                if (ended[-1].how, ended[-1].code) != ("exit", 0):
                    break
        return ended

    def describe(self) -> dict[str, str]:
        """That nothing is contained."""
        return {"contained": "no", "tool": "none", "user": "the harness' own", "control groups": "none",
                "system calls": "all", "network": "the machine's"}  # fmt: skip


def _run(program: Program, step: Step, folder: str) -> Ended:
    seconds = math.ceil(step.limits.cpu_seconds) + 1
    limits = f"ulimit -c 0; ulimit -t {seconds}; ulimit -d {step.limits.memory_bytes // 1024}; "
    environment = {**layout.ENVIRONMENT, "HOME": folder, **program.environment}
    meter = Tree()
    meter.limit(step.limits)
    with ExitStack() as closing:
        (out, out_end), (err, err_end), (answers, answers_end) = (pipe(closing) for _ in range(3))
        stdin = closing.enter_context(memory_file(step.stdin))
        process = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", limits + 'exec "$@"', "sh", *step.command],
            stdin=stdin, stdout=out_end, stderr=err_end, env=environment, cwd=folder, start_new_session=True,
        )  # fmt: skip
        meter.follow(process.pid)
        waiter = threading.Thread(target=_wait, args=(process, answers_end))
        waiter.start()
        out_end.close()
        err_end.close()
        streams = Streams((out, err), answers)

        def kill() -> None:
            for one in meter.processes():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(one.pid, signal.SIGKILL)

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
