from __future__ import annotations

from pathlib import Path

import pytest

from ownlm.errors import DependencyError, EvaluationError
from ownlm.evaluate.runners import toolchain
from ownlm.evaluate.runners.language import Extra, present
from ownlm.evaluate.runners.registry import runner, runners, versions


def test_names_are_of_one_language_each() -> None:
    names = [name for one in runners() for name in (one.language, *one.names)]
    assert len(names) == len(set(names))
    assert names == [name.lower() for name in names]
    assert [one.language for one in runners()] == sorted(one.language for one in runners())


@pytest.mark.parametrize(
    ("name", "key"),
    [("C++", "cpp"), (" py ", "python"), ("go_test.go", "go"), ("c#", "csharp"), ("rs", "rust"), ("sh", "bash")],
)
def test_runner_by_name(name: str, key: str) -> None:
    assert runner(name).language == key


def test_unknown_language_is_an_error_that_names_the_known() -> None:
    with pytest.raises(EvaluationError, match="cobol") as raised:
        runner("cobol")
    assert "python" in str(raised.value.advice)


def test_versions_are_recorded_by_key() -> None:
    found = versions(["py", "python", "bash"])
    assert set(found) == {"python", "bash"}
    assert found["python"].startswith("Python 3.")


def test_a_missing_toolchain_is_an_error_with_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(runner("lua")), "tells", (("lua-that-is-not-there", "-v"),))
    assert runner("lua").version() is None
    with pytest.raises(DependencyError, match="lua") as raised:
        versions(["lua", "bash"])
    assert raised.value.advice == "apt-get install --no-install-recommends lua-unit lua5.4"


def test_a_missing_library_is_a_missing_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(runner("bash")), "needs", ("/usr/share/nothing-*/here",))
    assert runner("bash").version() is None


def test_absent_extras_stand_in_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = Extra("libx-dev", "/nowhere/*", "nothing")
    monkeypatch.setattr(type(runner("bash")), "extras", (extra,))
    assert str(runner("bash").version()).endswith("; without libx-dev")


def test_present_takes_globs(tmp_path: Path) -> None:
    (tmp_path / "one-1.2").touch()
    assert present(f"{tmp_path}/one-*")
    assert not present(f"{tmp_path}/two-*")


def test_tools_on_the_users_path_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "ownlm-tool"
    tool.write_text("#!/bin/sh\necho 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.find("ownlm-tool") is None
    with pytest.raises(DependencyError, match="ownlm-tool"):
        toolchain.path_of("ownlm-tool")


def test_the_setup_script_installs_every_language() -> None:
    script = (Path(__file__).parents[3] / "scripts/setup").read_text().split()
    needed = {package for one in runners() for package in (*one.packages, *(extra.package for extra in one.extras))}
    assert needed - {"bash"} <= set(script)
