"""What attacks are after: a secret, a target, a victim, listeners, a neighbour; and the verdict on an attack."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ownlm.evaluate.sandbox.program import Ended, Limits, Program, Sandbox, Step
from ownlm.evaluate.sandbox.seccomp import calls, machine
from tests.evaluate.sandbox.attacks import Attack


@dataclass
class Scene:
    """Values for the names in capitals in an attack's text."""

    names: dict[str, str]
    victim: subprocess.Popen[bytes]
    target: Path

    def fill(self, text: str) -> str:
        """The attack's text for this scene."""
        for name in sorted(self.names, key=len, reverse=True):
            text = text.replace(name, self.names[name])
        return text


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """All of it, open to every user of the machine: what protects it is the sandbox alone."""
    token = "t" + secrets.token_hex(8)
    for part in (folder, *folder.parents):
        if part == Path(tempfile.gettempdir()):
            break
        part.chmod(part.stat().st_mode | 0o055)
    secret, target = folder / "secret", folder / "target"
    secret.write_text(token)
    target.write_text("untouched")
    target.chmod(0o666)
    folder.chmod(0o777)
    with ExitStack() as closing:
        tcp = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = closing.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{token}")
        abstract.listen()
        victim = closing.enter_context(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        closing.callback(victim.kill)
        os.environ["OWNLM_TEST_SECRET"] = token
        closing.callback(os.environ.pop, "OWNLM_TEST_SECRET")
        holder = closing.enter_context(
            subprocess.Popen(["sleep", "600"], env={"OWNLM_TEST_SECRET": token})
        )  # whose environment is there to be read
        closing.callback(holder.kill)
        names = {"SECRET": str(secret), "TARGET": str(target), "TOKEN": token, "VICTIM": str(victim.pid),
                 "PORT": str(tcp.getsockname()[1]), "ABSTRACT": token, "NEIGHBOUR": f"n{token}"}  # fmt: skip
        this = machine()
        assert this is not None
        numbers = calls(this)
        for name, call in {"CLONE3": "clone3", "IO_URING": "io_uring_setup", "KEYCTL": "keyctl", "BPF": "bpf",
                           "PERF": "perf_event_open", "USERFAULTFD": "userfaultfd", "PTRACE": "ptrace",
                           "READV": "process_vm_readv"}.items():  # fmt: skip
            names[name] = str(numbers[call])
        names["CLONE"] = str(this.clone)
        yield Scene(names, victim, target)


def carry_out(attack: Attack, sandbox: Sandbox, scene: Scene) -> Ended:
    """Run it, beside a neighbour where it is after one."""
    command = ("bash", "attack") if attack.shell else ("/usr/bin/python3", "attack")
    program = Program({"attack": scene.fill(attack.text).encode()}, (Step(command, limits=attack.limits),))
    if "NEIGHBOUR" not in attack.text:
        return sandbox.run(program)[-1]
    name = scene.names["NEIGHBOUR"]
    waits = Step(("/usr/bin/python3", "-c", "import time; time.sleep(600)", name), limits=Limits(wall_seconds=600))
    thread = threading.Thread(target=sandbox.run, args=(Program({name: b"x"}, (waits,)),))
    thread.start()
    while thread.is_alive() and not running(name):
        time.sleep(0.01)
    try:
        return sandbox.run(program)[-1]
    finally:
        for pid in running(name):
            os.kill(pid, signal.SIGKILL)
        thread.join()


def verdict(attack: Attack, ended: Ended, scene: Scene, room: int = 4 * 2**20) -> str:
    """ "contained", or what went wrong; `room`: bytes that are counted beside a program's own."""
    if b"TRIED" not in ended.stdout:
        return f"never tried: {ended}"
    if b"ESCAPED" in ended.stdout:
        return "escaped"
    if attack.ends is not None and ended.how not in attack.ends:
        return f"ended by {ended.how}"
    if scene.victim.poll() is not None or scene.target.read_text() != "untouched":
        return "harmed the machine"
    if ended.peak_bytes > attack.limits.memory_bytes + room:
        return f"used {ended.peak_bytes} bytes"
    if left := running(scene.names["TOKEN"]):
        return f"left {left}"
    return "contained"


def running(token: str) -> list[int]:
    """Ids of the processes that have an argument."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if token.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found
