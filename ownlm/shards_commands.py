"""`ownlm shards`: whose code a step read; check shards, and put them into a storage."""

from __future__ import annotations

from typing import Annotated

import typer

from ownlm.arguments import DEFAULT_HOME, AsJson, Home, RecipePath
from ownlm.terminal import Terminal

shards = typer.Typer(no_args_is_help=True, help="Look into a run's shards.")
out = Terminal()


@shards.command()
def who(
    step: Annotated[int, typer.Option(help="The training step, from 1, as in the training log.")],
    run_name: Annotated[str | None, typer.Option("--run", help="The run; the latest if left out.")] = None,
    row: Annotated[int | None, typer.Option(help="Only this row of the step, from 0.")] = None,
    position: Annotated[int | None, typer.Option(help="Only this token of the row, from 0.")] = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say which documents a training step read, and which stretch of each."""
    from ownlm import tracing
    from ownlm.pipeline.store import Store
    from ownlm.runs import read_record

    store = Store(home)
    found = tracing.trace(store, read_record(store, run_name), step, row=row, column=position)
    (tracing.print_json if as_json else tracing.print_origins)(out, found)


@shards.command()
def verify(
    what: Annotated[
        str, typer.Argument(metavar="RECIPE|FOLDER|URL", help="Whose shards, or the folder or URL they are at.")
    ],
    home: Home = DEFAULT_HOME,
) -> None:
    """Read every shard once and compare it with its checksum; name the damaged ones."""
    from ownlm import storing
    from ownlm.pipeline.store import Store

    storing.verify(out, Store(home), what)


@shards.command()
def push(
    recipe: RecipePath,
    url: Annotated[str, typer.Argument(help="Where to put them, e.g. s3://bucket/folder.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Upload the shards a recipe's run made; what is there already is not sent again."""
    from ownlm import storing
    from ownlm.pipeline.store import Store

    storing.push_run(out, Store(home), recipe, url)
