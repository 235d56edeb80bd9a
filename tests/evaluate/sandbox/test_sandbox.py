"""How steps end, what they see and what they leave: with control groups, without, and as plain processes."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.cgroup import find_hierarchy
from ownlm.evaluate.sandbox.plain import PlainSandbox
from ownlm.evaluate.sandbox.program import MIB, Ended, Limits, Program, Sandbox, Step
from ownlm.evaluate.sandbox.seccomp import machine
from tests.evaluate.sandbox.scene import running

PYTHON = "/usr/bin/python3"


@pytest.fixture(name="any_sandbox", params=["contained", "without groups", "plain"])
def _any_sandbox(request: pytest.FixtureRequest, sandbox: Sandbox) -> Sandbox:
    this = machine()
    assert this is not None
    made = {"contained": sandbox, "without groups": BubblewrapSandbox(this, None),
            "plain": PlainSandbox(find_hierarchy())}  # fmt: skip
    return made[request.param]


def run(sandbox: Sandbox, *command: str, limits: Limits | None = None, stdin: bytes = b"") -> Ended:
    return sandbox.run(Program({}, (Step(command, stdin, limits or Limits()),)))[-1]


def test_steps_share_a_folder_and_stop_at_the_first_that_fails(any_sandbox: Sandbox) -> None:
    files = {"a/b/text": b"\x00\xffin", "run.sh": b"cat a/b/text made; exit 3"}
    steps = (Step(("cp", "run.sh", "made")), Step(("bash", "run.sh")), Step(("true",)))
    first, second = any_sandbox.run(Program(files, steps))
    assert (first.how, first.code, first.stdout) == ("exit", 0, b"")
    assert (second.how, second.code, second.stdout) == ("exit", 3, b"\x00\xffin" + files["run.sh"])


def test_stdin_of_each_step_is_its_own(any_sandbox: Sandbox) -> None:
    big = bytes(range(256)) * 200
    limits = Limits(output_bytes=len(big))
    ended = any_sandbox.run(Program({}, (Step(("cat",), b"one"), Step(("cat",), big, limits), Step(("cat",)))))
    assert [one.stdout for one in ended] == [b"one", big, b""]


@pytest.mark.parametrize(("text", "how", "code"), [
    ("exit 139", "exit", 139), ("kill -SEGV $$", "signal", signal.SIGSEGV), ("kill -9 $$", "signal", signal.SIGKILL),
    ("kill -PIPE $$", "signal", signal.SIGPIPE), ("exit 130", "exit", 130), ("nosuchcommand", "exit", 127),
])  # fmt: skip
def test_an_exit_code_is_no_signal(any_sandbox: Sandbox, text: str, how: str, code: int) -> None:
    ended = run(any_sandbox, "sh", "-c", text)
    assert (ended.how, ended.code) == (how, code)


def test_a_command_that_is_not_there(any_sandbox: Sandbox) -> None:
    ended = run(any_sandbox, "nosuchcommand")
    assert (ended.how, ended.code) == ("exit", 127)
    assert b"nosuchcommand" in ended.stderr


@pytest.mark.parametrize(("text", "limits", "how"), [
    ("while True: pass", Limits(cpu_seconds=0.3), "cpu"),
    ("import time; time.sleep(600)", Limits(wall_seconds=0.3), "wall"),
    ("print('x' * 5000)", Limits(output_bytes=4096), "output"),
    ("import os\nfor _ in range(3): os.fork()\nx = b'x' * (40 << 20)\nimport time; time.sleep(20)",
     Limits(memory_bytes=100 * MIB), "memory"),
])  # fmt: skip
def test_limits(any_sandbox: Sandbox, text: str, limits: Limits, how: str) -> None:
    ended = run(any_sandbox, PYTHON, "-c", text, limits=limits)
    assert ended.how == how, ended
    assert len(ended.stdout) <= limits.output_bytes


def test_what_ended_children_used_counts(any_sandbox: Sandbox) -> None:
    text = "import subprocess, sys\nfor _ in range(8): subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))'])"
    ended = run(any_sandbox, PYTHON, "-c", text, limits=Limits(cpu_seconds=0.2))
    assert ended.how == "cpu"


def test_nothing_of_a_step_runs_in_the_next(any_sandbox: Sandbox) -> None:
    token = f"token-{os.getpid()}"
    leave = f"import subprocess; subprocess.Popen([{PYTHON!r}, '-c', 'import time; time.sleep(600)', {token!r}])"
    lines = "(open(file, 'rb').read() for file in glob.glob('/proc/[0-9]*/cmdline'))"
    look = f"import glob; print(any({token.encode()!r} in line for line in {lines}))"
    steps = (Step((PYTHON, "-c", leave)), Step((PYTHON, "look.py")))
    first, second = any_sandbox.run(Program({"look.py": look.encode()}, steps))
    assert (first.how, second.stdout) == ("exit", b"False\n"), second
    assert not running(token)


def test_the_environment_is_what_was_given(any_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HARNESS", "secret")
    monkeypatch.setenv("PERL5OPT", "-d")
    (ended,) = any_sandbox.run(Program({}, (Step(("env",)),), environment={"GIVEN": "a=b", "LANG": "C"}))
    seen = dict(line.split("=", 1) for line in ended.stdout.decode().splitlines())
    seen.pop("PWD", None)
    assert set(seen) == {"PATH", "HOME", "LANG", "GIVEN"}
    assert (seen["GIVEN"], seen["LANG"]) == ("a=b", "C")


def test_what_may_be_read_is_read_only(sandbox: Sandbox, tmp_path: Path) -> None:
    for part in (tmp_path, *tmp_path.parents[:3]):
        if part != Path("/tmp"):
            part.chmod(0o755)
    (tmp_path / "text").write_text("read me")
    command = ("sh", "-c", f"cat {tmp_path}/text; echo x > {tmp_path}/text || echo refused")
    (ended,) = sandbox.run(Program({}, (Step(command),), reads=(tmp_path,)))
    assert ended.stdout == b"read merefused\n"
    assert (tmp_path / "text").read_text() == "read me"


def test_a_folder_that_is_not_there_is_an_error_of_containment(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="nosuchfolder"):
        sandbox.run(Program({}, (Step(("true",)),), reads=(tmp_path / "nosuchfolder",)))


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
def test_files_stay_in_the_folder(any_sandbox: Sandbox, path: str) -> None:
    with pytest.raises(SandboxError, match="inside its folder"):
        any_sandbox.run(Program({path: b""}, (Step(("true",)),)))


def test_a_full_folder_fails_the_program_and_not_the_sandbox(sandbox: Sandbox) -> None:
    limits = Limits(disk_bytes=2 * MIB)
    fill = Step(("sh", "-c", "head -c 4M /dev/zero > big; true"), limits=limits)
    ended = sandbox.run(Program({}, (fill, Step(("cat",), b"still here", limits))))
    assert ended[-1].stdout == b"still here"


def test_programs_at_the_same_time(sandbox: Sandbox) -> None:
    said: dict[int, bytes] = {}

    def one(number: int) -> None:
        command = ("sh", "-c", f"echo {number} > text; sleep 0.05; cat text")
        said[number] = run(sandbox, *command).stdout

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: f"{number}\n".encode() for number in range(6)}
