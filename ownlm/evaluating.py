"""`ownlm eval`: measure a model by running what it writes, compare two, show the languages there are.

`ownlm eval MODEL --suite humaneval` is short for `ownlm eval run MODEL --suite humaneval`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ownlm.arguments import DEFAULT_HOME, AsJson, Home
from ownlm.terminal import Terminal

DEFAULT = "run"


class _ModelOrCommand(TyperGroup):
    """What is no command of the group is a model to measure."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before anything else than a command or a call for help."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


evaluation = typer.Typer(cls=_ModelOrCommand, no_args_is_help=True, help="Measure a model by running what it writes.")
out = Terminal()
err = Terminal(stderr=True)


@evaluation.callback()
def _group() -> None:
    pass


@evaluation.command("languages")
def show_languages(as_json: AsJson = False) -> None:
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


@evaluation.command("run")
def run_suites(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A checkpoint, a train or export artifact, a recipe, a run, a URL."),
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="How the model is opened, e.g. engine=ctranslate2 concurrency=16.")
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", help="A suite, or a suite's folder (repeatable).")
    ] = None,
    benchmarks: Annotated[
        str | None,
        typer.Option(envvar="OWNLM_BENCHMARKS", help="Folder or file with the suites' data, under its public names."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Answers to each problem.")] = 1,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0: always the likeliest.")] = 0.0,
    top_p: Annotated[float, typer.Option("--top-p", min=0.0, max=1.0, help="Draw from the likeliest only.")] = 1.0,
    k: Annotated[str, typer.Option("--k", help="pass@k for these k, e.g. 1,10.")] = "1",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of an answer; the suite's own if left out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Other answers.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Problems of each language at most.")] = None,
    languages: Annotated[str | None, typer.Option(help="Only these, e.g. python,cpp.")] = None,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Programs at a time; 0: by the number of cores.")] = 0,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Run answers even where nothing contains them.")] = False,
    likelihood: Annotated[
        bool, typer.Option("--likelihood/--no-likelihood", help="Also grade references against wrong answers.")
    ] = True,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where results and pages go; below the home folder if left out.")
    ] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also as an MLflow run (in the home folder).")] = False,
    mlflow_uri: Annotated[str | None, typer.Option(help="The MLflow server or database, instead.")] = None,
    wandb: Annotated[bool, typer.Option("--wandb", help="Also as a run of Weights & Biases.")] = False,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Ask a model a suite's problems, run its answers in a sandbox, and say how many are right."""
    from ownlm.evaluate import printing
    from ownlm.evaluate.asking import settings_of, suites_of, tracking_of
    from ownlm.evaluate.judge import programs_at_a_time
    from ownlm.evaluate.session import Session, carry_out_session
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store
    from ownlm.plan import usable_cores

    asked = {
        "path": benchmarks,
        "samples": samples,
        "temperature": temperature,
        "top_p": top_p,
        "k": k,
        "max_tokens": max_tokens,
        "seed": seed,
        "limit": limit,
        "languages": languages,
    }
    session = Session(
        model,
        suites_of(suite or [], asked),
        settings_of(settings or []),
        folder,
        unsafe,
        workers or programs_at_a_time(usable_cores()),
        likelihood,
        tracking_of(mlflow=mlflow, mlflow_uri=mlflow_uri, wandb=wandb),
    )
    results = carry_out_session(session, Store(home), progress_for(err if as_json else out))
    (printing.print_results_json if as_json else printing.print_results)(out, results)


@evaluation.command("compare")
def compare_two(
    a: Annotated[str, typer.Argument(metavar="A", help="Results of `ownlm eval` (a folder), or a run that evaluated.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other ones.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where the page goes; below the home folder if left out.")
    ] = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say which of two models is better on the same problems, and how sure that is."""
    from ownlm.evaluate import printing
    from ownlm.evaluate.comparison import compare_results, names_of
    from ownlm.evaluate.report_compare import write_comparison
    from ownlm.evaluate.session import results_of
    from ownlm.pipeline.store import Store

    store = Store(home)
    one, other = results_of(a, store), results_of(b, store)
    comparisons, names = compare_results(one, other), names_of(one, other)
    if as_json:
        printing.print_comparison_json(out, names, comparisons)
        return
    page = (folder or store.home / "eval" / f"{one.folder.name}-{other.folder.name}") / "index.html"
    write_comparison(page, *names, comparisons)
    printing.print_comparison(out, names, comparisons)
    out.print(f"page  {page}", markup=False, soft_wrap=True)
