"""`ownlm experiment`: two versions side by side; who is better, how sure that is, and how many users it still needs."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from ownlm.arguments import DEFAULT_HOME, AsJson, Home, PageFolder
from ownlm.errors import InputError, RecipeError
from ownlm.rolling_out import RegistryAt, StoreAt, Why, open_feedback_store, open_rollout
from ownlm.terminal import Terminal, print_whole

if TYPE_CHECKING:
    from ownlm.live.experiments.observed import Arm
    from ownlm.live.experiments.report import Report
    from ownlm.live.rollout.changes import Change
    from ownlm.live.rollout.state import Experiment, RolloutState

experiment = typer.Typer(no_args_is_help=True, help="Two versions of the model side by side, in use.")
out = Terminal()

Name = Annotated[str, typer.Argument(help="Of the experiment.")]


@experiment.command()
def start(
    a: Annotated[str, typer.Argument(metavar="A", help="What there is: a run, artifact, folder, URL, channel.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What is tried.")],
    name: Annotated[str, typer.Option(help="Of the experiment; channel and time if left out.")] = "",
    split: Annotated[str, typer.Option(help="Percent of users in A and in B.")] = "50/50",
    channel: Annotated[str, typer.Option(help="Whose users take part.")] = "everyone",
    metric: Annotated[str, typer.Option(help="That decides: acceptance, characters or latency.")] = "acceptance",
    lift: Annotated[
        float | None, typer.Option(help="Smallest difference that matters: points of acceptance (2), else percent (5).")
    ] = None,
    why: Why = "",
    store_at: StoreAt = None,
    registry_at: RegistryAt = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Start an experiment: users of a channel fall into two arms, each with its version."""
    from ownlm.live.experiments import planning
    from ownlm.live.rollout import changes
    from ownlm.live.rollout.bucket import new_salt
    from ownlm.live.rollout.state import NAME, NAME_IN_WORDS
    from ownlm.pipeline.store import Store
    from ownlm.releasing import version_of

    name = name or f"{channel}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    if not re.fullmatch(NAME, name):
        raise RecipeError("this is no name for an experiment", where=f"--name {name}", advice=NAME_IN_WORDS)
    shares = shares_of(split)
    registry, store, salt = open_rollout(registry_at, home), Store(home), new_salt()
    state = registry.read().state
    arms = version_of(store, a, state), version_of(store, b, state)
    planned = planning.plan(metric, None if lift is None else lift / 100, shares, _past(channel, store_at, home))

    def make(state: RolloutState, now: float) -> Change:
        return changes.start(state, name, channel, arms, share_b=shares[1], plan=planned, now=now, salt=salt)

    registry.change(make, why=why)
    from ownlm.live.experiments.verdict import size

    out.print(
        f"{name}: A {arms[0][0]}, B {arms[1][0]}, {split} of the users of {channel}", markup=False, soft_wrap=True
    )
    lifted = size("acceptance" if metric == "acceptance" else "characters", planned.lift)
    out.print(
        f"A difference of {lifted} in {metric} is seen with a chance of 80 % by about {planned.users:,} users "
        f"({planned.assumed}). Look whenever you like: ownlm experiment show {name}",
        markup=False,
        soft_wrap=True,
    )
    if planned.visible is not None:
        seen = size("acceptance" if metric == "acceptance" else "characters", round(planned.visible, 3))
        out.print(f"With the users there are, a difference of {seen} can be seen.", markup=False, soft_wrap=True)


@experiment.command()
def show(
    name: Name,
    folder: PageFolder = None,
    store_at: StoreAt = None,
    registry_at: RegistryAt = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say what an experiment says now; looking often does not make it wrong."""
    from ownlm.live.experiments import page
    from ownlm.live.experiments.report import report

    one = _known(open_rollout(registry_at, home).read().state, name)
    store = open_feedback_store(store_at, home)
    try:
        found = report(store, name, one)
    finally:
        store.database.close()
    written = page.write(found, folder or home / "experiments" / name)
    if as_json:
        out.print(json.dumps(found.plain(), indent=1), markup=False, soft_wrap=True)
    else:
        print_report(found)
        out.print(f"page  {written}", markup=False, soft_wrap=True)


@experiment.command("list")
def list_all(registry_at: RegistryAt = None, as_json: AsJson = False, home: Home = DEFAULT_HOME) -> None:
    """List experiments, those that run first."""
    from ownlm.rolling_out import when

    found = open_rollout(registry_at, home).read().state.experiments
    if as_json:
        plain = {name: one.model_dump(mode="json", exclude={"salt"}) for name, one in found.items()}
        out.print(json.dumps(plain, indent=1), markup=False, soft_wrap=True)
        return
    for name, one in sorted(found.items(), key=lambda item: (item[1].stopped is not None, -item[1].started)):
        until = "runs" if one.stopped is None else f"stopped {when(one.stopped)}"
        shares = f"A {one.a} {100 * (1 - one.share_b):g} %, B {one.b} {100 * one.share_b:g} %"
        out.print(Text(f"{name}  {one.channel}  {shares}  since {when(one.started)}, {until}"), soft_wrap=True)
    if not found:
        out.print("There is no experiment yet: ownlm experiment start A B --name NAME")


@experiment.command()
def stop(name: Name, why: Why = "", registry_at: RegistryAt = None, home: Home = DEFAULT_HOME) -> None:
    """Stop an experiment: its users get what their channel has. Its figures stay."""
    from ownlm.live.rollout import changes

    registry = open_rollout(registry_at, home)
    snapshot = registry.change(lambda state, now: changes.stop(state, name, now=now), why=why)
    channel = snapshot.state.experiments[name].channel
    version = snapshot.state.channels[channel].version
    out.print(f"{name} is stopped; users of {channel} get {version}.", markup=False, soft_wrap=True)


def shares_of(split: str) -> tuple[float, float]:
    """Shares of A and B from percentages: "90/10" -> (0.9, 0.1).

    Raises:
        RecipeError: these are not two positive numbers that make 100.
    """
    try:
        a, b = (float(part) for part in split.split("/"))
    except ValueError:
        a = b = 0.0
    if not (a > 0 and b > 0 and abs(a + b - 100) < 1e-9):
        raise RecipeError(
            "a split is two numbers that make 100", where=f"--split {split}", advice="e.g. 50/50 or 90/10"
        )
    return a / 100, b / 100


def print_report(found: Report) -> None:
    """Verdict, then the metrics, then the breakdowns."""
    from ownlm.live.experiments.compare import NAMES
    from ownlm.live.experiments.page import COLUMNS, cells

    out.print(Text(found.verdict.sentence, style="bold"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, metric in found.metrics.items():
        table.add_row(*map(Text, cells(NAMES[name], metric)))
    for groups in found.groups.values():
        for value, metrics in groups.items() if len(groups) > 1 else ():
            first = next(iter(metrics.values()))
            table.add_row(*map(Text, cells(f"{value}: {NAMES[first.metric]}", first)))
    print_whole(out, table)


def _known(state: RolloutState, name: str) -> Experiment:
    if name not in state.experiments:
        known = ", ".join(state.experiments)
        advice = f"there are: {known}" if known else "there is none yet: ownlm experiment start A B --name NAME"
        raise RecipeError(f"there is no experiment {name!r}", where=name, advice=advice)
    return state.experiments[name]


def _past(channel: str, store_at: str | None, home: Path) -> Arm | None:
    """What the channel's users did in the last weeks; None where there is no feedback."""
    from ownlm.live.experiments.observed import before
    from ownlm.live.experiments.planning import LOOK_BACK_S

    try:
        store = open_feedback_store(store_at, home)
    except InputError:
        return None
    try:
        now = time.time()
        return before(store, channel, since=now - LOOK_BACK_S, until=now)
    finally:
        store.database.close()
