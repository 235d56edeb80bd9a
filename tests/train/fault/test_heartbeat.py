"""Hangs of one process, real ones: in code that lets other threads run, and in code that does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HANG = """
import ctypes, sys, threading
from pathlib import Path
from ownlm.train.fault.heartbeat import Heartbeat

def stuck():
    if sys.argv[2] == "locked":
        ctypes.PyDLL(None).sleep(100)  # unlike CDLL it keeps the interpreter's lock
    threading.Event().wait()

with Heartbeat(Path(sys.argv[1]), 0, 2.0).watching():
    stuck()
"""


@pytest.mark.parametrize(
    ("kind", "code", "file"), [("waits", 9, "rank-00000.stacks"), ("locked", 1, "rank-00000.locked")]
)
def test_a_hang_ends_with_its_stacks(kind: str, code: int, file: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANG, str(tmp_path), kind], capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stderr
    assert "in stuck" in (tmp_path / file).read_text()
    assert ("no step for 2 s" in ended.stderr) == (kind == "waits")


def test_what_ends_in_time_is_left_alone(tmp_path: Path) -> None:
    program = HANG.replace("    stuck()\n", "    pass\nimport time\ntime.sleep(3.5)\nprint('there')\n")
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "no"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "there\n"), ended.stderr
