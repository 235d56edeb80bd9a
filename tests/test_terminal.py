"""Where commands print: unbroken into a pipe, as wide as the terminal otherwise."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import termios

import pytest
from rich.console import Console
from rich.table import Table

from ownlm.terminal import Terminal, print_whole

LINE = " ".join(["word"] * 100)
PRINTS = f"from ownlm.terminal import Terminal; Terminal().print({LINE!r})"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**kept, "TERM": "xterm", **more}


def printed(**more: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True, env=environment(**more)
    )
    return done.stdout.splitlines()


def test_a_pipe_gets_lines_in_one_piece() -> None:
    assert printed() == [LINE]


def test_a_width_that_is_asked_for_holds_in_a_pipe_too() -> None:
    lines = printed(COLUMNS="60")
    assert max(map(len, lines)) <= 60
    assert " ".join(line.strip() for line in lines) == LINE


def test_a_terminal_gets_lines_as_wide_as_it_is() -> None:
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 50))
    command = [sys.executable, "-c", PRINTS]
    subprocess.run(command, check=True, stdin=its, stdout=its, stderr=its, env=environment())
    os.close(its)
    lines = os.read(ours, 1 << 16).decode().splitlines()
    os.close(ours)
    assert max(map(len, lines)) <= 50
    assert " ".join(line.strip() for line in lines) == LINE


def test_a_stage_that_ended_is_one_line_in_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody greps a training's log for."""
    monkeypatch.delenv("COLUMNS", raising=False)
    line = Table.grid(padding=(0, 1))
    line.add_row("train", LINE)
    Terminal().print(line)
    assert capsys.readouterr().out == f"train {LINE}\n"


@pytest.mark.parametrize("width", [20, 200])
def test_a_table_is_never_cut(width: int) -> None:
    table = Table("name", "figure", box=None)
    table.add_row("acceptance of Python", "−100.0 to +100.0 points")
    stream = io.StringIO()
    print_whole(Console(file=stream, width=width), table)
    assert "acceptance of Python  −100.0 to +100.0 points" in stream.getvalue()
