"""Options that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path, typer.Option("--home", envvar="OWNLM_HOME", help="Where artifacts, runs and caches live.", show_default=True)
]
DEFAULT_HOME = Path(".ownlm")
PageFolder = Annotated[
    Path | None, typer.Option("--out", help="Where the page and figures go; below the home folder if left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
RecipePath = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings for this run, e.g. train.steps=200.")]
Sources = Annotated[list[Path] | None, typer.Option("--source", help="Train on this folder instead (repeatable).")]
