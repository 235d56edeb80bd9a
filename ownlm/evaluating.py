"""`ownlm eval`: measure a model by running what it writes, compare two, show the languages there are.

`ownlm eval MODEL --suite humaneval` is short for `ownlm eval run MODEL --suite humaneval`.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

DEFAULT = "run"


class _ModelOrCommand(TyperGroup):
    """What is no command of the group is a model to measure."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before anything else than a command or a call for help."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


evaluation = typer.Typer(cls=_ModelOrCommand, no_args_is_help=True, help="Measure a model by running what it writes.")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@evaluation.callback()
def _group() -> None:
    pass
