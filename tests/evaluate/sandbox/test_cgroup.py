"""Version 2 on a tree of plain files, as the kernel's documentation describes them; version 1 is used for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from ownlm.evaluate.sandbox.cgroup import Group, Hierarchy, _delegated
from ownlm.evaluate.sandbox.program import MIB, Limits


@pytest.fixture(name="group")
def _group(tmp_path: Path) -> tuple[Group, Path]:
    group = Group(Hierarchy(2, {"memory": tmp_path, "pids": tmp_path}))
    (folder,) = tmp_path.iterdir()
    (folder / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    return group, folder


def test_v2_limits_are_written(group: tuple[Group, Path]) -> None:
    group[0].limit(Limits(memory_bytes=7 * MIB, processes=5))
    written = {name: (group[1] / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max")}
    assert written == {"memory.max": str(7 * MIB), "memory.swap.max": "0", "pids.max": "7"}
    assert group[0].enter() == [str(group[1] / "cgroup.procs")]


def test_v2_measures_are_read(group: tuple[Group, Path]) -> None:
    assert group[0].cpu_seconds() == 1.5
    assert group[0].peak_bytes() == 0  # before Linux 5.19
    (group[1] / "memory.peak").write_text("4096\n")
    assert group[0].peak_bytes() == 4096


def test_v2_only_this_steps_kills_count(group: tuple[Group, Path]) -> None:
    group[0].limit(Limits())
    assert not group[0].out_of_memory()
    (group[1] / "memory.events").write_text("oom_kill 3\n")
    assert group[0].out_of_memory()


def test_v2_is_taken_where_memory_and_processes_are_delegated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder, controllers in ((tmp_path, "cpu memory pids\n"), (inner, "cpu\n")):
        (folder / "cgroup.procs").touch()
        (folder / "cgroup.subtree_control").write_text(controllers)

    def refuse(path: Path, text: str) -> int:
        raise OSError(16, "Device or resource busy", str(path))  # processes live in the group itself

    monkeypatch.setattr(Path, "write_text", refuse)
    assert _delegated([inner]) is None
    assert _delegated([inner, tmp_path]) == tmp_path
