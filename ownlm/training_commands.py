"""`ownlm train`: take part in a training, watch it, do its steps again, find a learning rate for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ownlm.arguments import DEFAULT_HOME, AsJson, Home, Overrides, PageFolder, RecipePath, Sources
from ownlm.terminal import Terminal

training = typer.Typer(no_args_is_help=True, help="Look into a training run, or take part in one.")
out = Terminal()
err = Terminal(stderr=True)

TrainedOf = Annotated[Path, typer.Argument(metavar="RECIPE|FOLDER", help="A recipe, or a train artifact's folder.")]
TrainedStep = Annotated[int, typer.Option("--step", help="The training step, from 1, as in the training log.")]
Checkpoint = Annotated[
    str | None, typer.Option(help="Folder or URL (.../step-N) to start from; the nearest that is found if left out.")
]


@training.command()
def join(
    job: Annotated[Path, typer.Argument(help="scratch/job.json of the train stage, on a disk all machines share.")],
    rendezvous: Annotated[str, typer.Option(help="HOST:PORT of the machine that runs the recipe.")],
) -> None:
    """Take part with this machine in a training that `ownlm run` started on another one."""
    from ownlm.train.parallel import launch

    launch.join(job, rendezvous)


@training.command()
def replay(
    run_of: TrainedOf,
    step: TrainedStep,
    overrides: Overrides = None,
    checkpoint: Checkpoint = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Do one training step again, from the nearest checkpoint, and compare it with the log bit by bit."""
    from ownlm import replaying
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store

    store = Store(home)
    run = replaying.find_run(store, run_of, overrides or ())
    done = replaying.replay_step(store, run, step, progress_for(err if as_json else out), checkpoint=checkpoint)
    if as_json:
        replaying.print_json(out, replaying.replayed_json(done))
    else:
        replaying.print_replayed(out, done)


@training.command()
def blame(
    run_of: TrainedOf,
    step: TrainedStep,
    overrides: Overrides = None,
    checkpoint: Checkpoint = None,
    documents: Annotated[int, typer.Option("-n", min=1, max=1000, help="Documents to look into closely.")] = 12,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Rank the documents of a training step by what they did to its loss and gradient."""
    from ownlm import replaying
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store

    store = Store(home)
    run = replaying.find_run(store, run_of, overrides or ())
    shown = progress_for(err if as_json else out)
    done = replaying.replay_step(store, run, step, shown, checkpoint=checkpoint, blame=documents)
    assert done.folder is not None
    if as_json:
        replaying.print_json(out, replaying.replayed_json(done) | replaying.read_incident(done.folder))
    else:
        replaying.print_replayed(out, done)
        replaying.print_blamed(out, done.folder)


@training.command()
def incidents(
    run_of: TrainedOf,
    overrides: Overrides = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """List the steps of a training run that stood out, what was done, and where their pages are."""
    from ownlm import replaying
    from ownlm.pipeline.store import Store

    run = replaying.find_run(Store(home), run_of, overrides or ())
    if as_json:
        replaying.print_json(out, replaying.incidents_json(run))
    else:
        replaying.print_incidents(out, run)


@training.command()
def watch(
    run_of: Annotated[
        Path, typer.Argument(metavar="RECIPE|FOLDER", help="Whose training; or the folder of its metrics.jsonl.")
    ],
    overrides: Overrides = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 picks a free one.")] = 0,
    home: Home = DEFAULT_HOME,
) -> None:
    """Follow a training in the browser: running, finished, or killed. Ctrl-C ends the page, not the training."""
    from ownlm import watching
    from ownlm.pipeline.store import Store

    watching.watch(out, Store(home), run_of, overrides or (), port)


@training.command("sweep")
def sweep_rates(
    recipe: RecipePath,
    overrides: Overrides = None,
    source: Sources = None,
    lrs: Annotated[str, typer.Option(help="Peak learning rates.")] = "1e-3,2e-3,4e-3,8e-3,1.6e-2",
    proxy_size: Annotated[str, typer.Option(help="The named size whose width the proxy has.")] = "1m",
    steps: Annotated[int, typer.Option(min=1, help="Steps of each proxy.")] = 200,
    seeds: Annotated[int, typer.Option(min=1, max=64, help="Proxies at each rate.")] = 2,
    folder: PageFolder = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Find a learning rate on narrow proxies of the recipe's model, and carry it over to its width by muP."""
    from ownlm import rate_sweep, rate_sweep_page
    from ownlm.pipeline.progress import progress_for
    from ownlm.pipeline.store import Store
    from ownlm.plan import usable_cores
    from ownlm.recipe.load import load_recipe

    loaded, store = load_recipe(recipe, overrides or (), source or ()), Store(home)
    swept = rate_sweep.sweep(
        loaded,
        store,
        rate_sweep.rates_of(lrs),
        size=rate_sweep.size_of(proxy_size),
        steps=steps,
        seeds=seeds,
        workers=usable_cores(),
        progress=progress_for(out),
        told=lambda line: out.print(line, markup=False),
    )
    page = rate_sweep_page.write(swept, folder or store.home / "rates" / loaded.name)
    rate_sweep.print_sweep(out, swept)
    out.print(f"page  {page}", markup=False, soft_wrap=True)
