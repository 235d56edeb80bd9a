"""`ownlm eval`: measure a model by running what it writes, compare two, show the languages there are.

`ownlm eval MODEL --suite humaneval` is short for `ownlm eval run MODEL --suite humaneval`.
"""

from __future__ import annotations

from typing import Annotated, Any

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


@evaluation.command("languages")
def show_languages(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show the languages programs can be run in here, and the Debian packages that bring the others."""
    from ownlm.evaluate.runners.table import print_languages, rows

    print_languages(out, rows(), as_json=as_json)


@evaluation.command("image")
def print_image(
    languages: Annotated[list[str], typer.Argument(metavar="LANGUAGE...", help="As `ownlm eval languages` has them.")],
    snapshot: Annotated[
        str | None, typer.Option(help="The day whose Debian packages it has, e.g. 20250901T000000Z.")
    ] = None,
) -> None:
    """Print the recipe (Containerfile) of an image that runs programs in some languages."""
    from ownlm.evaluate.runners.image import SNAPSHOT, containerfile
    from ownlm.evaluate.runners.registry import runner

    chosen = sorted({runner(language).language for language in languages})
    recipe = containerfile([runner(language) for language in chosen], snapshot or SNAPSHOT)
    out.print(recipe, end="", markup=False, soft_wrap=True)
