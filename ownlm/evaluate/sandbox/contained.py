"""One program in bubblewrap: start it, hand over its files, run its steps, leave nothing.

harness ── sh ─exec─ setpriv ─exec─ bwrap        sh joins the control group, setpriv gives up root for good
                                      └ perl     process 1 inside: supervisor.pl
                                          └ step
"""

from __future__ import annotations

import json
import math
import os
import signal
import struct
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib.resources import files
from types import TracebackType
from typing import Self

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox import layout
from ownlm.evaluate.sandbox.descriptors import Descriptor, memory_file, pipe, read_all
from ownlm.evaluate.sandbox.identity import program_uid
from ownlm.evaluate.sandbox.meter import Meter
from ownlm.evaluate.sandbox.program import Ended, Limits, Program, Step
from ownlm.evaluate.sandbox.seccomp import Machine, filter_program
from ownlm.evaluate.sandbox.watch import Streams, conclude, watch

BWRAP = "bwrap"
_RLIMIT_CPU, _RLIMIT_DATA, _RLIMIT_NPROC = 0, 2, 6
_SUPERVISOR = (files("ownlm.evaluate.sandbox") / "supervisor.pl").read_text()


class Contained:
    """A started sandbox. Use as a context: at its end no process of it is left.

    Args:
        program: its files are written at once, its steps run one by one.
        meter: closed at the end.
        machine: whose system calls are filtered.
    """

    def __init__(self, program: Program, meter: Meter, machine: Machine) -> None:
        self._program = program
        self._meter = meter
        self._machine = machine
        self._closing = ExitStack()
        self._pidfd: int | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
            self._write_files()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def run(self, step: Step) -> Ended:
        """One step, to its end or its limits."""
        self._meter.limit(step.limits)
        self._streams.clear()
        cpu_before = self._meter.cpu_seconds()
        environment = {**layout.ENVIRONMENT, **self._program.environment}
        variables = "\0".join(f"{name}={value}" for name, value in environment.items())
        parts: list[str | bytes] = ["step", step.stdin, self._rlimits(step.limits), variables, str(len(step.command))]
        lost = not self._send(*parts, *step.command)
        watched = watch(self._streams, step.limits, self._meter, cpu_before, self._kill)
        cpu_seconds = self._meter.cpu_seconds() - cpu_before
        ended = conclude(step.limits, self._streams, watched, self._meter, cpu_seconds)
        if ended is None or (lost and ended.how == "exit"):
            raise self._failed("a sandbox ended without saying how")
        return ended

    def _start(self) -> None:
        """Start everything up to the supervisor, which says that it is ready."""
        pipes = {name: pipe(self._closing) for name in ("orders", "stdout", "stderr", "answers", "info")}
        inherited = {"answers": pipes["answers"][1], "info": pipes["info"][1]}
        contents = {"filter": filter_program(self._machine)}
        contents |= {path: text.encode() for path, text in layout.WRITTEN.items()}
        for name, content in contents.items():
            inherited[name] = self._closing.enter_context(memory_file(content))
        self._process = subprocess.Popen(  # noqa: S603
            self._command(inherited), stdin=pipes["orders"][0], stdout=pipes["stdout"][1], stderr=pipes["stderr"][1],
            env={}, pass_fds=list(inherited.values()), start_new_session=True, cwd="/",
        )  # fmt: skip
        for inside in (pipes["orders"][0], pipes["stdout"][1], pipes["stderr"][1], *inherited.values()):
            inside.close()
        self._orders = pipes["orders"][1]
        self._streams = Streams((pipes["stdout"][0], pipes["stderr"][0]), pipes["answers"][0])
        info = read_all(pipes["info"][0])
        answer = b""
        while not answer.endswith(b"\n") and (piece := os.read(self._streams.answers, 64)):
            answer += piece
        if answer != b"ready\n" or not info:
            raise self._failed("bubblewrap cannot contain programs on this machine")
        child = int(json.loads(info)["child-pid"])
        self._pidfd = self._closing.enter_context(Descriptor(os.pidfd_open(child)))
        self._meter.follow(child)

    def _command(self, inherited: Mapping[str, int]) -> list[str]:
        disk = max((step.limits.disk_bytes for step in self._program.steps), default=Limits().disk_bytes)
        joins = self._meter.enter()
        join = "".join(f'echo 0 >"${place}" && ' for place in range(1, len(joins) + 1))
        script = f'ulimit -c 0; ulimit -n 4096 2>/dev/null; {join}shift {len(joins)} && exec "$@"'
        uid = program_uid()
        drop = [] if uid is None else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        written = {path: inherited[path] for path in layout.WRITTEN}
        numbers = (inherited["answers"], self._machine.prctl, self._machine.prlimit64, self._machine.memfd_create)
        return [
            "/bin/sh", "-c", script, "sh", *joins, *drop, BWRAP, *layout.options(self._program.reads, disk, written),
            "--seccomp", str(inherited["filter"]), "--info-fd", str(inherited["info"]),
            "/usr/bin/perl", "-e", _SUPERVISOR, *map(str, numbers),
        ]  # fmt: skip

    def _rlimits(self, limits: Limits) -> str:
        """Of each process, as resource, soft, hard: what the group's limits leave open."""
        seconds = math.ceil(limits.cpu_seconds) + 1
        chosen = [(_RLIMIT_CPU, seconds, seconds + 1)]
        if not self._meter.enter():
            chosen += [(_RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes)]
            chosen += [(_RLIMIT_NPROC, limits.processes + 2, limits.processes + 2)]
        return ";".join(f"{resource} {soft} {hard}" for resource, soft, hard in chosen)

    def _write_files(self) -> None:
        for path, content in self._program.files.items():
            if not self._send("file", path, content):
                raise self._failed("the files of a program cannot be written")

    def _send(self, *parts: str | bytes) -> bool:
        """An order to the supervisor; false where it is gone."""
        texts = [part.encode() if isinstance(part, str) else part for part in parts]
        message = memoryview(b"".join(struct.pack(">I", len(text)) + text for text in texts))
        try:
            while message:
                message = message[os.write(self._orders, message) :]
        except BrokenPipeError:
            return False
        return True

    def _kill(self) -> None:
        """Process 1, and with it the kernel ends all others inside."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        elif self._process.poll() is None:
            self._process.kill()

    def _failed(self, what: str) -> SandboxError:
        self._kill()
        os.set_blocking(self._streams.output[1], True)
        said = bytes(self._streams.texts[1]) + read_all(self._streams.output[1])
        return SandboxError(f"{what}: {said.decode(errors='replace').strip()[-500:] or 'nothing was said'}",
                            advice="see docs/sandbox.md for what is needed")  # fmt: skip

    def _close(self) -> None:
        """bwrap waits for process 1, whose end the kernel holds back until all others inside are gone."""
        try:
            if hasattr(self, "_process"):
                self._kill()
                self._process.wait()
        finally:
            self._closing.close()
            self._meter.close()
