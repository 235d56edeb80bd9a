"""What is opened, what is refused, and what a killed harness leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.cgroup import Group, find_hierarchy, remove_stale
from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.sandbox.program import Limits, Program, Sandbox, Step
from tests.evaluate.sandbox.scene import running


def test_says_what_contains(sandbox: Sandbox) -> None:
    said = sandbox.describe()
    assert said["contained"] == "yes"
    assert said["tool"].startswith("bubblewrap ")
    assert said["control groups"] in ("v1", "v2", "none")


def test_refuses_without_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in ("perl", "setpriv", "sh"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="apt-get install bubblewrap"):
        open_sandbox()


def test_refuses_where_bubblewrap_cannot_contain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    for part in (tmp_path, *tmp_path.parents[:3], broken):
        if part != Path("/tmp"):
            part.chmod(0o755)
    monkeypatch.setattr("ownlm.evaluate.sandbox.contained.BWRAP", str(broken))
    with pytest.raises(SandboxError, match="No permissions to create new namespace"):
        open_sandbox()


def test_unsafe_runs_all_the_same_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    unsafe = open_sandbox(unsafe=True)
    assert unsafe.describe()["contained"] == "no"
    (ended,) = unsafe.run(Program({}, (Step(("/bin/echo", "ran")),)))
    assert ended.stdout == b"ran\n"


def test_unsafe_is_contained_where_that_can_be(sandbox: Sandbox) -> None:
    assert open_sandbox(unsafe=True).describe() == sandbox.describe()


def test_a_killed_harness_leaves_nothing_once_another_starts(sandbox: Sandbox) -> None:
    hierarchy = find_hierarchy()
    if hierarchy is None:
        pytest.skip("no control groups here")
    token = f"token-{os.getpid()}"
    text = f"""
from ownlm.evaluate.sandbox import Program, Step, open_sandbox
open_sandbox().run(Program({{}}, (Step(("/usr/bin/python3", "-c", "import time; time.sleep(600)", "{token}")),)))
"""
    harness = subprocess.Popen([sys.executable, "-c", text])
    while not running(token):
        assert harness.poll() is None
    made = [folder for parent in hierarchy.folders() for folder in parent.glob(f"ownlm-{harness.pid}-*")]
    assert made
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    remove_stale(hierarchy)
    assert not any(folder.exists() for folder in made)
    assert not running(token)


def test_groups_of_living_harnesses_are_left_alone(sandbox: Sandbox) -> None:
    hierarchy = find_hierarchy()
    if hierarchy is None:
        pytest.skip("no control groups here")
    group = Group(hierarchy)
    try:
        group.limit(Limits())
        remove_stale(hierarchy)
        assert all(Path(file).exists() for file in group.enter())
    finally:
        group.close()
    assert not any(Path(file).parent.exists() for file in group.enter())
