from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from ownlm.cli import app
from ownlm.errors import RecipeError
from ownlm.evaluate.runners.image import SANDBOX, containerfile, packages_of
from ownlm.evaluate.runners.registry import runner, runners

_INSTRUCTIONS = {"FROM", "ARG", "ENV", "RUN", "USER", "WORKDIR", "CMD"}


def _instructions(recipe: str) -> list[tuple[str, str]]:
    """By the format's own rules: comments dropped, lines that end in a backslash joined."""
    lines = [line for line in recipe.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("language", [one.language for one in runners()])
def test_recipe_installs_the_languages_own_packages(language: str) -> None:
    instructions = _instructions(containerfile([runner(language)]))
    assert {name for name, _ in instructions} == _INSTRUCTIONS
    assert instructions[0] == ("FROM", "debian:bookworm-slim")
    installed = next(text for name, text in instructions if name == "RUN").split("--allow-downgrades")[1].split("&&")[0]
    assert installed.split() == packages_of([runner(language)])
    assert {*runner(language).packages, *SANDBOX} <= set(installed.split())


def test_recipe_does_not_run_as_root() -> None:
    users = [text for name, text in _instructions(containerfile(runners())) if name == "USER"]
    assert users == ["10001:10001"]


@pytest.mark.parametrize("text", [text for name, text in _instructions(containerfile(runners())) if name == "RUN"])
def test_the_shell_can_read_its_commands(text: str) -> None:
    subprocess.run(["/bin/sh", "-n", "-c", text], check=True)


def test_a_day_that_is_none_is_refused() -> None:
    assert "SNAPSHOT=20260101T000000Z" in containerfile([runner("c")], "20260101T000000Z")
    with pytest.raises(RecipeError, match="yesterday"):
        containerfile([runner("c")], "yesterday")


@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="Debian's package lists are asked")
def test_packages_are_debians() -> None:
    """Where the lists are those of another release, or none are, this says nothing."""
    asked = packages_of(runners())
    told = subprocess.run(["apt-cache", "policy", *asked], capture_output=True, text=True, check=True).stdout
    if "bookworm" not in told and "deb12" not in told:
        pytest.skip("the package lists are not Debian 12's")
    known = set(re.findall(r"^(\S+):$", told, re.MULTILINE))
    assert known == set(asked)


def test_command_prints_the_recipe() -> None:
    done = CliRunner().invoke(app, ["eval", "image", "c++", "python", "cpp"])
    assert done.exit_code == 0, done.output
    assert done.output == containerfile([runner("cpp"), runner("python")])


def test_command_lists_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in runners():
        monkeypatch.setattr(type(one), "tells", (("bash", "--version"),))
    monkeypatch.setattr(type(runner("lua")), "tells", (("not-there", "--version"),))
    told = json.loads(CliRunner().invoke(app, ["eval", "languages", "--json"]).output)["languages"]
    by_key = {row["language"]: row for row in told}
    assert by_key["lua"]["version"] is None
    assert by_key["lua"]["packages"] == ["lua5.4", "lua-unit"]
    assert by_key["bash"]["version"].startswith("GNU bash")
    shown = CliRunner().invoke(app, ["eval", "languages"]).output
    assert "apt-get install lua5.4 lua-unit" in " ".join(shown.split())
