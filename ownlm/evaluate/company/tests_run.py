"""One run of a repository's tests in the sandbox: did they pass, and which of them ran?

Exit code 0 proves nothing: a body that calls exit(0) has it, too. Under pytest a plug-in keeps a nonce, made for each
run and read before any file of the repository is, and prints it at the end with the number and the hashed names of
the tests that passed: they have to be those of the repository as it was. For other commands the recipe says by a
regular expression where the output tells how many tests ran; a hostile body could print such a line itself.
"""

from __future__ import annotations

import re
import secrets
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ownlm.errors import DependencyError
from ownlm.evaluate.company.config import Repository
from ownlm.evaluate.runners.base import Status
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.program import MIB, Ended, How, Limits, Program, Sandbox, Step

FOLDER, MODULE = ".ownlm", "ownlm_report"
PLUGIN = """\
def _reporter():
    import hashlib, os
    nonce, out, write = os.read(0, 256), os.dup(1), os.write
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    passed = []

    class Reporter:
        def pytest_runtest_logreport(self, report):
            if report.when == "call" and report.passed:
                passed.append(report.nodeid)

        def pytest_unconfigure(self):
            names = hashlib.sha256("\\n".join(sorted(passed)).encode()).hexdigest()
            write(out, b"\\n" + nonce + f" {len(passed)} {names}\\n".encode())

    return Reporter()


_made = [_reporter()]


def pytest_configure(config):
    config.pluginmanager.register(_made.pop())
"""
OUTPUT = 2000
_CUT: dict[How, Status] = {
    "cpu": "timed_out", "wall": "timed_out", "memory": "out_of_memory", "output": "too_much_output",
}  # fmt: skip


@dataclass(frozen=True)
class TestRun:
    """How one run of the tests ended.

    Attributes:
        status: "passed": exit code 0, and the end was reached.
        ran: which tests passed: number and hash, or the number the output tells.
        output: the end of what was printed.
    """

    __test__ = False

    status: Status
    ran: str | None
    output: str

    def as_before(self, original: TestRun) -> Status:
        """The verdict: the tests passed, and the same ones ran as with the original."""
        return "no_end" if self.status == "passed" and self.ran != original.ran else self.status

    @property
    def tests(self) -> int:
        """How many ran; 0 where that was not told."""
        told = re.match(r"\d+", self.ran or "")
        return int(told.group()) if told else 0


def run_tests(sandbox: Sandbox, repository: Repository, files: Mapping[str, bytes]) -> TestRun:
    """Run a repository's tests over these files.

    Raises:
        DependencyError: the command, or pytest, is not there.
        SandboxError: containment failed.
    """
    nonce = secrets.token_hex(16)
    size = sum(map(len, files.values()))
    limits = Limits(
        cpu_seconds=repository.cpu_seconds,
        wall_seconds=600 + 6 * repository.cpu_seconds,
        memory_bytes=repository.memory_mb * MIB,
        output_bytes=1 * MIB,
        disk_bytes=2 * size + 64 * MIB,
    )
    first, *rest = repository.command
    command, all_files, environment = [first, *rest], dict(files), {}
    reads: tuple[Path, ...] = ()
    if first in ("python", "python3"):
        command[0] = path_of("python3")
        packages = Path(sysconfig.get_path("purelib"))
        environment, reads = {"PYTHONPATH": f"{FOLDER}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"}, (packages,)
    if repository.is_pytest:
        place = command.index("pytest") + 1
        command[place:place] = ["-p", MODULE, "-p", "no:cacheprovider"]
        all_files[f"{FOLDER}/{MODULE}.py"] = PLUGIN.encode()
    step = Step(tuple(command), stdin=nonce.encode(), limits=limits)
    ended = sandbox.run(Program(all_files, (step,), reads=reads, environment=environment))[-1]
    return _read(ended, repository, nonce)


def _read(ended: Ended, repository: Repository, nonce: str) -> TestRun:
    stdout, stderr = (one.decode("utf-8", errors="replace") for one in (ended.stdout, ended.stderr))
    output = (stdout[-OUTPUT:] + stderr[-OUTPUT:]).replace(nonce, "")
    if ended.how == "exit" and (ended.code == 127 or "No module named pytest" in stderr):
        raise DependencyError(
            f"The tests' command cannot be run: {output.strip()[-300:]}", advice=f"Install {repository.command[0]}."
        )
    pattern = rf"^{nonce} (\d+ \w+)$" if repository.is_pytest else repository.tests_ran
    found = re.search(pattern or r"(?!)", stdout + "\n" + stderr, re.MULTILINE)
    status: Status = _CUT.get(ended.how, "failed")
    if (ended.how, ended.code) == ("exit", 0):
        status = "passed" if found else "no_end"
    return TestRun(status, found.group(1) if found else None, output)
