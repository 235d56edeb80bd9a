from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from ownlm.errors import DependencyError
from ownlm.evaluate.runners.toolchain import build, cache_folder, kept


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "toolchains"
    monkeypatch.setenv("OWNLM_TOOLCHAINS", str(folder))
    return folder


def test_made_once_and_by_one(cache: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("1")

    threads = [Thread(target=kept, args=("name", ("1",), make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [kept("name", ("1",), make)]
    assert made[0].parent == cache.resolve()


def test_made_anew_from_other_things() -> None:
    assert kept("name", ("1", "2"), lambda _: None) != kept("name", ("12",), lambda _: None)


def test_half_made_is_made_again() -> None:
    def breaks(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        kept("name", ("1",), breaks)
    folder = kept("name", ("1",), lambda folder: (folder / "whole").touch())
    assert not (folder / "half").exists()
    assert (folder / "whole").exists()


def test_all_can_read_what_is_kept(cache: Path) -> None:
    folder = kept("name", ("1",), lambda folder: build(("/usr/bin/touch", "file"), folder) and None)
    assert folder.stat().st_mode & 0o055 == 0o055
    assert (folder / "file").stat().st_mode & 0o044 == 0o044
    assert cache.stat().st_mode & 0o022 == 0


def test_a_folder_others_can_write_is_refused(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(DependencyError, match="not this user's alone"):
        cache_folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(cache: Path) -> None:
    cache.mkdir(mode=0o755)
    os.chown(cache, 65534, 65534)
    with pytest.raises(DependencyError, match="not this user's alone"):
        cache_folder()


def test_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DependencyError, match="not this user's alone"):
        cache_folder()


def test_a_tool_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="no such header"):
        build(("/bin/sh", "-c", "echo no such header >&2; exit 3"), tmp_path)
