"""Commands given as a person gives them, in a home folder of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from typer.testing import CliRunner

Say = Callable[..., str]
"""Gives a command by its words; its output."""


def saying(commands: typer.Typer, home: Path) -> Say:
    """To give commands of a group; errors come as they are."""

    def say(*words: str) -> str:
        result = CliRunner().invoke(commands, [*words, "--home", str(home)], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return say
