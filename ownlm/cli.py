"""The command line: parse, call, print. `main` turns errors into one message and an exit code.

ownlm init · plan · run · show · xray · inspect · vocab · train · eval · export · ablate · shards · serve · complete
rollout · experiment · feedback
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ownlm import __version__
from ownlm.arguments import DEFAULT_HOME, AsJson, Home, Overrides, PageFolder, RecipePath, Sources
from ownlm.errors import OwnlmError, RecipeError, StorageError
from ownlm.evaluating import evaluation
from ownlm.experimenting import experiment
from ownlm.exporting import export_model
from ownlm.feeding_back import feedback
from ownlm.rolling_out import rollout
from ownlm.serving_commands import gateway
from ownlm.shards_commands import shards
from ownlm.terminal import Terminal
from ownlm.training_commands import training
from ownlm.vocabulary_commands import vocab

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train your own code model: raw source code in, a served completion model out.",
)
app.add_typer(shards, name="shards")
app.add_typer(vocab, name="vocab")
app.add_typer(training, name="train")
app.add_typer(evaluation, name="eval")
app.command("export")(export_model)
app.add_typer(gateway, name="serve")
app.add_typer(rollout, name="rollout")
app.add_typer(experiment, name="experiment")
app.add_typer(feedback, name="feedback")
out = Terminal()
err = Terminal(stderr=True)

INTERRUPTED = 130


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("recipe.yaml"),
    source: Annotated[str, typer.Option("--source", help="The folder of code to train on.")] = ".",
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Write a recipe with every setting, its default and what it means."""
    from ownlm.recipe.init import commented_recipe

    name = path.stem if path.stem.replace("-", "").replace("_", "").isalnum() else "own"
    try:
        with path.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(commented_recipe(name, source))
    except FileExistsError as error:
        advice = "Choose another name, or add --force."
        raise RecipeError("There is a file already.", where=path, advice=advice) from error
    except UnicodeEncodeError as error:
        raise RecipeError("A recipe cannot name a folder whose name is not UTF-8.", where=repr(source)) from error
    out.print(f"Wrote {path}. Next: ownlm plan {path}", markup=False)


@app.command()
def plan(
    recipe: RecipePath,
    overrides: Overrides = None,
    source: Sources = None,
    gpus: Annotated[int, typer.Option(min=0, max=8192, help="Also propose layouts for so many GPUs.")] = 0,
    gpu: Annotated[str, typer.Option(help="Their kind, e.g. h100-80gb, a100-40gb, l4-24gb.")] = "h100-80gb",
    nodes: Annotated[int, typer.Option(min=1, max=1024, help="Machines they are in.")] = 1,
    price: Annotated[float | None, typer.Option(min=0, help="Of one GPU for an hour; else a typical one.")] = None,
    mfu: Annotated[float, typer.Option(min=0.01, max=1, help="Share of a GPU's peak that computing reaches.")] = 0.45,
    home: Home = DEFAULT_HOME,
) -> None:
    """Print what a run would do: stages, cached or not, tokens, parameters, FLOPs, time and memory."""
    from ownlm import console, layouts
    from ownlm import plan as planning
    from ownlm.pipeline.store import Store
    from ownlm.recipe.load import load_recipe

    loaded = load_recipe(recipe, overrides or (), source or ())
    proposed = layouts.Asked(gpus, gpu, nodes, price, mfu).propose(loaded) if gpus else None
    console.print_plan(out, planning.plan(loaded, Store(home), workers=planning.usable_cores()))
    if proposed is not None:
        proposed.show(out)


@app.command()
def run(
    recipe: RecipePath,
    overrides: Overrides = None,
    source: Sources = None,
    home: Home = DEFAULT_HOME,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the model afterwards.")] = True,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes a map may use; 0: one a core.")] = 0,
) -> None:
    """Carry a recipe out, from raw code to the served model; what is made already is not made again."""
    from ownlm import console, serving
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store
    from ownlm.plan import usable_cores
    from ownlm.recipe.load import load_recipe
    from ownlm.runs import execute, read_record

    loaded = load_recipe(recipe, overrides or (), source or ())
    store = Store(home)
    if serve:
        serving.check(loaded)
    results = execute(
        loaded,
        store,
        workers=workers or usable_cores(),
        progress=progress_for(out),
        started=console.StageStarted(out),
        finished=console.StageFinished(out),
    )
    record = read_record(store, loaded.name)
    console.print_summary(out, record, results)
    if serve:
        serving.serve_run(out, store, record, loaded)


@app.command()
def show(
    artifact: Annotated[str | None, typer.Argument(help="An artifact's name, or the beginning of it.")] = None,
    lineage: Annotated[bool, typer.Option("--lineage", help="Back to the sources it was made from.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file with its manifest.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show runs and artifacts; one artifact's manifest; or where it came from."""
    from ownlm import console
    from ownlm.pipeline.lineage import lineage as trace
    from ownlm.pipeline.store import Store

    store = Store(home)
    if artifact is None:
        if lineage:
            raise RecipeError("--lineage needs the name of an artifact.", advice="`ownlm show` lists them.")
        console.print_store(out, store, verify=verify)
        return
    found = store.by_id(artifact)
    if verify:
        found.verify()
    if lineage:
        console.print_lineage(out, trace(store, found))
    else:
        console.print_artifact(out, found)


@app.command()
def xray(
    table: Annotated[
        str, typer.Argument(help="A folder of Parquet files, an artifact, or ARTIFACT/TABLE (`ownlm show` lists them).")
    ],
    folder: PageFolder = None,
    topics: Annotated[int, typer.Option(min=0, max=200, help="Also a topic map, of this many clusters.")] = 0,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also as an MLflow run (in the home folder).")] = False,
    mlflow_uri: Annotated[str | None, typer.Option(help="The MLflow server or database, instead.")] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Look at a table of documents: counts, sizes, long tails, duplicates, the filters' funnel."""
    from ownlm.looking import mlflow_config, xray_table
    from ownlm.pipeline.store import Store

    tracked = mlflow_config(mlflow_uri) if mlflow or mlflow_uri else None
    xray_table(out, Store(home), table, folder, topics=topics, mlflow=tracked)


@app.command()
def inspect(
    which: Annotated[str, typer.Argument(metavar="kept|rejected|TABLE", help="Of the run; or a table as for xray.")],
    rule: Annotated[str | None, typer.Option(help="Only what this rule rejected.")] = None,
    language: Annotated[str | None, typer.Option(help="Only documents in this language.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many documents.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Other documents.")] = 0,
    run_name: Annotated[str | None, typer.Option("--run", help="The run; the latest if left out.")] = None,
    page: Annotated[Path | None, typer.Option(help="Where the page goes; below the home folder if left out.")] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show real documents that were kept or rejected, beside the reasons."""
    from ownlm import looking
    from ownlm.data.xray.place import find_table
    from ownlm.pipeline.store import Store
    from ownlm.runs import read_record

    store = Store(home)
    if which in looking.TABLES:
        tables = looking.tables_of_run(store, read_record(store, run_name), which)
    else:
        tables = [find_table(store, which)]
    looking.inspect(
        out,
        tables,
        f"Documents: {which}",
        count=count,
        rule=rule,
        language=language,
        seed=seed,
        page=page or home / "xray" / "inspect.html",
    )


@app.command()
def ablate(
    a: Annotated[Path, typer.Argument(metavar="A.yaml", help="A recipe.")],
    b: Annotated[Path, typer.Argument(metavar="B.yaml", help="One with another version of the data.")],
    seeds: Annotated[int, typer.Option(min=1, max=64, help="Trainings of each.")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each training, instead of the recipes'.")] = None,
    size: Annotated[str | None, typer.Option(help="A named size, instead of the recipes' models.")] = None,
    scored: Annotated[int, typer.Option("--bytes", min=1000, help="Held-out code that is asked about.")] = 400_000,
    folder: PageFolder = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Train small models on two versions of the data, and say which is better, with the noise between seeds."""
    from ownlm import ablating, ablating_page
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store
    from ownlm.plan import usable_cores
    from ownlm.recipe.load import load_recipe

    recipes = [ablating.prepared(load_recipe(path, (), ()), steps, size) for path in (a, b)]
    store, shown = Store(home), err if as_json else out
    found = ablating.ablate(
        recipes[0],
        recipes[1],
        store,
        seeds=seeds,
        scored=scored,
        workers=usable_cores(),
        progress=progress_for(shown),
        told=lambda line: shown.print(line, markup=False),
    )
    page = ablating_page.write(found, folder or store.home / "ablations" / f"{recipes[0].name}-{recipes[1].name}")
    if as_json:
        out.print(json.dumps(found.to_json(), indent=1), markup=False, soft_wrap=True)
    else:
        ablating.print_ablation(out, found)
        out.print(f"page  {page}", markup=False, soft_wrap=True)


@app.command()
def complete(
    prefix: Annotated[
        str, typer.Argument(help='The code before the cursor, e.g. "def fib(". "-" reads standard input.')
    ],
    suffix: Annotated[str, typer.Option(help="The code after the cursor: fills in the middle.")] = "",
    run_name: Annotated[
        str | None, typer.Option("--run", help="The run whose model answers; the latest if left out.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, max=4096, help="New tokens at most.")] = 64,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0: always the likeliest.")] = 0.0,
    single_line: Annotated[bool, typer.Option("--line/--lines", help="Stop at the end of the line.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Complete code with a run's model, without a server."""
    from ownlm import serving
    from ownlm.pipeline.store import Store
    from ownlm.runs import read_record

    store = Store(home)
    record = read_record(store, run_name)
    given = sys.stdin.buffer.read().decode("utf-8", "replace") if prefix == "-" else prefix
    text = serving.complete_once(
        store, record, given, suffix, tokens=tokens, temperature=temperature, single_line=single_line
    )
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _version(asked: bool) -> None:
    if asked:
        out.print(f"ownlm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; every error a user can act on ends as one message and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no check mark shows a question mark.
            stream.reconfigure(errors="replace")
    try:
        app()
    except OwnlmError as error:
        sys.exit(_told(error))
    except SystemExit as end:
        # Typer makes this code of Ctrl-C, and says nothing.
        if end.code == INTERRUPTED:
            err.print("\nInterrupted. What was made is kept; the same command continues.")
        raise
    except OSError as error:
        if (known := _refused(error)) is None:
            raise
        sys.exit(_told(known))


def _told(error: OwnlmError) -> int:
    """Print an error; its exit code."""
    err.print("[red]error:[/red] ", end="")
    err.print(str(error), markup=False, soft_wrap=True)
    return error.exit_code


def _refused(error: OSError) -> StorageError | None:
    """The error to show when the operating system refuses a path; None when it is something else."""
    from ownlm.pipeline.run import full_disk

    where = Path.cwd() if error.filename is None else error.filename
    if (full := full_disk(error, where)) is not None or error.filename is None:
        return full
    advice = "Check the path, and whether you may write there."
    return StorageError(f"The system refuses a file or folder: {error.strerror}.", where=where, advice=advice)


if __name__ == "__main__":
    main()
