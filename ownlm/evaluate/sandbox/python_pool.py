"""Warm interpreters: contained processes that fork a child for each Python program, instead of starting all anew.

harness ── sh ─exec─ setpriv ─exec─ bwrap        as for any program, see `contained`
                                      └ unshare  a process namespace that python3 may enter again
                                          └ python3  python_driver.py, which may make namespaces and has no filter
                                              ├ number 1 of a new process namespace, which does nothing
                                              └ the program, in there, without capabilities, filtered

A worker has one control group, user id and network (a loopback of its own) for all its programs, one at a time;
process, mount and message name spaces and all file systems that can be written are each program's own.
"""

from __future__ import annotations

import json
import math
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from types import TracebackType
from typing import Self

from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.program import MIB, Ended, Limits, Program
from ownlm.evaluate.sandbox.seccomp import filter_program
from ownlm.evaluate.sandbox.warm import WarmPool, Worker

ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""Sets have the same order in every worker: the same program ends the same way."""
_DRIVER, _SAMPLE = (
    (files("ownlm.evaluate.sandbox") / name).read_text() for name in ("python_driver.py", "python_sample.py")
)
_MEMORY, _PROCESSES = 32 * MIB, 2


class PythonPool:
    """Runs Python programs. Safe to call from several threads; use as a context, at whose end no process is left.

    Args:
        sandbox: whose means of containment the workers use.
        python: where the interpreter is, in the sandbox; asked when the first worker is started.
        limits: of each program.
    """

    def __init__(self, sandbox: BubblewrapSandbox, python: Callable[[], str], limits: Limits) -> None:
        self._workers = WarmPool(lambda: _Interpreter(sandbox, python(), limits))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, text: bytes, nonce: str) -> Ended:
        """One program, as its last step would have ended: `nonce` is printed by the harness, if its end was proved.

        Raises:
            SandboxError: containment itself failed.
        """
        with self._workers.worker() as worker:
            ended, proved = worker.execute(text)
        return replace(ended, stdout=b"%s\n%s\n" % (ended.stdout, nonce.encode())) if proved else ended

    def close(self) -> None:
        """End all workers."""
        self._workers.close()


class _Interpreter(Worker):
    """One warm interpreter."""

    def __init__(self, sandbox: BubblewrapSandbox, python: str, limits: Limits) -> None:
        super().__init__(sandbox, Program({}, (), environment=ENVIRONMENT), limits, _MEMORY, _PROCESSES)
        self._python = python

    def execute(self, text: bytes) -> tuple[Ended, bool]:
        """One program, to its end or its limits; and whether it came to the end of its text."""
        order = {
            "size": len(text), "output_bytes": self.limits.output_bytes, "disk_bytes": self.limits.disk_bytes,
            "limits": self._process_limits(),
        }  # fmt: skip
        told = self.ask(json.dumps(order).encode() + b"\n" + text)
        if told.line is None:
            cut = told.cut_off()
            if cut is None:
                raise self._failed("a warm interpreter ended without an answer")
            return cut, False
        answer = json.loads(told.line)
        out, err = (answer[name].encode("latin-1") for name in ("stdout", "stderr"))
        status = answer["status"]
        how, code = told.cut, 9
        if how is None and answer["too_much"]:
            how = "output"
        elif how is None and (status is None or not answer["started"]):
            raise self._failed(f"a warm interpreter could not start a program: {err.decode(errors='replace')[-500:]}")
        elif how is None and os.WIFSIGNALED(status):
            how, code = "signal", os.WTERMSIG(status)
        elif how is None:
            how, code = "exit", os.WEXITSTATUS(status)
        ended = Ended(how, code, out, err, told.cpu_seconds, told.wall_seconds, answer["peak_bytes"])
        return ended, how == "exit" and answer["proved"]

    def command(self, answers: int) -> list[str]:
        """See `Worker.command`."""
        driver = [self._python, "-s", "-B", "-c", _DRIVER, filter_program(self._machine).hex(), str(answers), _SAMPLE]
        return ["/usr/bin/unshare", "--pid", "--fork", "--", *driver]

    def bwrap_options(self, options: list[str]) -> list[str]:
        """It makes namespaces, and filters what it starts, not itself."""
        seccomp = options.index("--seccomp")
        return [*options[:seccomp], *options[seccomp + 2 :], "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"]

    def cut_off(self) -> bool:
        """See `Worker.cut_off`: the driver ends the program, and tells what it printed."""
        with suppress(BrokenPipeError):
            os.write(self._orders, b"\n")
        return True

    def _process_limits(self) -> list[tuple[int, int]]:
        """Of each process: what the group's limits leave open."""
        chosen = [(resource.RLIMIT_CPU, math.ceil(self.limits.cpu_seconds) + 2)]
        if not self._meter.enter():
            chosen += [(resource.RLIMIT_DATA, self.limits.memory_bytes)]
            chosen += [(resource.RLIMIT_NPROC, self.limits.processes + 2 + _PROCESSES)]
        return chosen
