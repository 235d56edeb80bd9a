"""`ownlm rollout`: give channels versions of the model, in parts or whole; take them back; see who did what and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ownlm.arguments import DEFAULT_HOME, AsJson, Home
from ownlm.terminal import Terminal

if TYPE_CHECKING:
    from ownlm.live.feedback.store import Store as FeedbackStore
    from ownlm.live.rollout.changes import Change
    from ownlm.live.rollout.registry import Registry, Snapshot
    from ownlm.live.rollout.state import Channel, RolloutState

rollout = typer.Typer(no_args_is_help=True, help="Who gets which version of the model: channels, staged switches.")
out = Terminal()

RegistryAt = Annotated[
    str | None,
    typer.Option(
        "--registry",
        envvar="OWNLM_ROLLOUT",
        help="Folder, URL (s3://...) or MLflow model (models:/NAME); HOME/rollout if left out.",
    ),
]
Why = Annotated[str, typer.Option("--why", help="Goes into the history.")]
ToChannel = Annotated[str, typer.Argument(help="dev, staff, everyone, or any other name.")]
OneChannel = Annotated[
    str | None, typer.Argument(metavar="[CHANNEL]", help="Which; the one it can be, if left out.", show_default=False)
]
StoreAt = Annotated[
    str | None,
    typer.Option("--store", help="Feedback: a SQLite file or postgresql://...; below the home folder if left out."),
]
_RAILS = {"errors": "--errors", "slow_s": "--p95-ms", "acceptance_drop": "--acceptance-drop", "watch_s": "--days"}


@rollout.command("to")
def switch_to(
    channel: ToChannel,
    model: Annotated[str, typer.Argument(help="A run, an export artifact, a folder, a URL, or a known version.")],
    percent: Annotated[
        float, typer.Option(help="Only for so many of its users; the others keep what they have.")
    ] = 100,
    why: Why = "",
    evaluation: Annotated[str, typer.Option(help="Page or address of its evaluation; the run's own if left out.")] = "",
    registry_at: RegistryAt = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Give a channel a version of the model."""
    from ownlm.live.rollout import changes
    from ownlm.live.rollout.bucket import new_salt
    from ownlm.pipeline.store import Store
    from ownlm.releasing import version_of

    registry, salt = open_rollout(registry_at, home), new_salt()
    name, version = version_of(Store(home), model, registry.read().state, evaluation)
    _change(
        registry,
        lambda state, now: changes.switch(state, channel, name, version, now=now, salt=salt, percent=percent),
        why,
    )
    if "://" in version.source:
        said = "The address was not looked at: a gateway that cannot load it keeps what it has (/health says so)."
        out.print(said, markup=False)
    if not version.evaluation:
        out.print("This version was not evaluated here: `--evaluation` names a report.", markup=False)


@rollout.command()
def percent(
    percent: Annotated[float, typer.Argument(help="Of users who get the new version; 100 ends the switch.")],
    channel: OneChannel = None,
    why: Why = "",
    registry_at: RegistryAt = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Give the new version of a switch by parts to more users; who has it keeps it."""
    from ownlm.live.rollout import changes

    registry = open_rollout(registry_at, home)
    which = channel or _only(registry.read().state, "is being switched by parts", lambda one: one.stage is not None)
    _change(registry, lambda state, now: changes.grow(state, which, percent, now=now), why)


@rollout.command()
def promote(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The channel that has the version.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The channel that gets it.")],
    percent: Annotated[float, typer.Option(help="Only for so many of its users.")] = 100,
    why: Why = "",
    registry_at: RegistryAt = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Give a channel the version that another one has."""
    from ownlm.live.rollout import changes
    from ownlm.live.rollout.bucket import new_salt

    salt = new_salt()
    _change(
        open_rollout(registry_at, home),
        lambda state, now: changes.promote(state, source, target, now=now, salt=salt, percent=percent),
        why,
    )


@rollout.command()
def back(channel: OneChannel = None, why: Why = "", registry_at: RegistryAt = None, home: Home = DEFAULT_HOME) -> None:
    """Undo the last switch of a channel."""
    from ownlm.live.rollout import changes

    registry = open_rollout(registry_at, home)
    which = channel or _only(
        registry.read().state, "has something to go back to", lambda one: bool(one.stage is not None or one.past)
    )
    _change(registry, lambda state, now: changes.back(state, which, now=now), why)


@rollout.command("guard")
def set_guard(
    channel: ToChannel,
    errors: Annotated[float, typer.Option(help="Percent of requests that may fail; 0: do not look.")] = 5,
    p95_ms: Annotated[float, typer.Option(help="95 % of answers within so many milliseconds; 0: do not look.")] = 0,
    acceptance_drop: Annotated[
        float, typer.Option(help="Points that acceptance may be below the old version's; negative: do not look.")
    ] = 5,
    least: Annotated[int, typer.Option(min=1, help="Requests before anything is decided.")] = 50,
    days: Annotated[float, typer.Option(min=0.01, help="After a switch, in which it is watched.")] = 7,
    why: Why = "",
    registry_at: RegistryAt = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Say when a new version is taken back by itself."""
    from pydantic import ValidationError

    from ownlm.errors import RecipeError
    from ownlm.live.rollout import changes
    from ownlm.live.rollout.state import GuardRails

    try:
        guards = GuardRails(
            errors=errors / 100 if errors else None,
            slow_s=p95_ms / 1000 if p95_ms else None,
            acceptance_drop=None if acceptance_drop < 0 else acceptance_drop / 100,
            least=least,
            watch_s=days * 86_400,
        )
    except ValidationError as error:
        advice = "errors and acceptance are percentages below 100, p95 is in milliseconds; errors and p95 at 0 are off"
        which = _RAILS[str(error.errors()[0]["loc"][0])]
        raise RecipeError("this cannot be a limit", where=which, advice=advice) from None
    _change(open_rollout(registry_at, home), lambda state, now: changes.guard(state, channel, guards), why)


@rollout.command()
def show(registry_at: RegistryAt = None, as_json: AsJson = False, home: Home = DEFAULT_HOME) -> None:
    """Show what each channel has, and which experiments run."""
    snapshot = open_rollout(registry_at, home).read()
    if as_json:
        plain = {"revision": snapshot.revision, "problem": _problem(snapshot), **snapshot.state.model_dump(mode="json")}
        out.print_json(data=plain)
        return
    for name, channel in snapshot.state.channels.items():
        out.print(Text(name, style="bold"))
        for label, value in _lines(snapshot.state, channel):
            out.print(Text(f"  {label:<11} {value}"), soft_wrap=True)
    if not snapshot.state.channels:
        out.print("No channel has a version yet: ownlm rollout to everyone MODEL")
    for name, one in snapshot.state.experiments.items():
        if one.stopped is None:
            shares = f"A {one.a} {100 * (1 - one.share_b):g} %, B {one.b} {100 * one.share_b:g} %"
            out.print(f"experiment {name} in {one.channel} since {when(one.started)}: {shares}", markup=False)
    if _problem(snapshot):
        out.print(Text(f"! {_problem(snapshot)}", style="bold red"), soft_wrap=True)


@rollout.command()
def history(
    count: Annotated[int, typer.Option("-n", min=1, help="Newest so many.")] = 20,
    registry_at: RegistryAt = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Show who changed what, when and why; the newest first."""
    from itertools import islice

    from ownlm.errors import ArtifactError

    found = list(islice(open_rollout(registry_at, home).history(), count))
    if as_json:
        damaged = {"action": "damaged"}
        records = [
            {"revision": number}
            | (damaged if isinstance(one, ArtifactError) else one.model_dump(mode="json", exclude={"state", "nonce"}))
            for number, one in found
        ]
        out.print_json(data=records)
        return
    if not found:
        out.print("Nothing was rolled out yet: ownlm rollout to everyone MODEL")
    for number, one in found:
        if isinstance(one, ArtifactError):
            out.print(Text(f"{number:>4}  damaged: {one.what}", style="red"), soft_wrap=True)
            continue
        moved = f"{one.before or 'nothing'} -> {one.after or 'nothing'}" if one.action != "note" else one.after
        line = f"{number:>4}  {when(one.at)}  {one.who}  {one.action} {one.channel}: {moved}"
        out.print(Text(line + (f"  ({one.why})" if one.why else "")), soft_wrap=True)


@rollout.command()
def mend(why: Why = "", registry_at: RegistryAt = None, home: Home = DEFAULT_HOME) -> None:
    """Go on from the newest whole revision, where a newer one is damaged."""
    made = open_rollout(registry_at, home).mend(why=why)
    out.print(f"Revision {made.revision} goes on from the newest whole one.", markup=False)


@rollout.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 10,
    store_at: StoreAt = None,
    registry_at: RegistryAt = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Take back new versions that break their guard-rails. Gateways with a registry do this too."""
    import time

    from ownlm.live.rollout.watch import Watch

    store = open_feedback_store(store_at, home)
    try:
        watching = Watch(open_rollout(registry_at, home), store)
        if not once:
            out.print(f"Looking every {every:g} s. Ctrl-C ends it.")
        while True:
            taken_back = watching.look()
            for channel, why in taken_back:
                out.print(f"{channel} went back: {why}", markup=False, soft_wrap=True)
            if once and not taken_back:
                out.print("Nothing was taken back.")
            if once:
                break
            time.sleep(every)
    finally:
        store.database.close()


def open_feedback_store(store_at: str | None, home: Path) -> FeedbackStore:
    """The feedback store at an address, or below the home folder.

    Raises:
        InputError: there is none.
    """
    from ownlm.live.feedback.open import open_store
    from ownlm.serve.feedback import FeedbackConfig

    return open_store(FeedbackConfig(url=store_at or ""), home)


def open_rollout(registry_at: str | None, home: Path) -> Registry:
    """The registry at an address, or below the home folder."""
    from ownlm.live.rollout.registry import open_registry

    return open_registry(registry_at or home / "rollout")


def _change(registry: Registry, make: Callable[[RolloutState, float], Change], why: str) -> None:
    made: list[Change] = []

    def remembered(state: RolloutState, now: float) -> Change:
        made.append(make(state, now))
        return made[-1]

    snapshot = registry.change(remembered, why=why)
    last = made[-1]
    moved = f"{last.before or 'nothing'} -> {last.after or 'nothing'}"
    out.print(f"{last.channel}: {moved} (revision {snapshot.revision})", markup=False, soft_wrap=True)


def _only(state: RolloutState, what: str, fits: Callable[[Channel], bool]) -> str:
    """The one channel it can be."""
    from ownlm.errors import RecipeError

    found = [name for name, channel in state.channels.items() if fits(channel)]
    if len(found) != 1:
        said = "several channels" if found else "no channel"
        raise RecipeError(
            f"which channel is meant? {said} {what}", advice=f"name it: {', '.join(found or state.channels)}"
        )
    return found[0]


def _lines(state: RolloutState, channel: Channel) -> list[tuple[str, str]]:
    version = state.versions[channel.version]
    lines = [("version", f"{channel.version} ({version.model}) since {when(channel.since)}")]
    if channel.stage is not None:
        stage = channel.stage
        lines.append(("new", f"{stage.version} for {stage.percent:g} % of users since {when(stage.since)}"))
        version = state.versions[stage.version]
    if channel.past:
        lines.append(("before", channel.past[-1]))
    lines.append(("evaluation", str(version.evaluation.get("page") or version.evaluation.get("artifact") or "none")))
    return [*lines, ("guard", channel.guards.in_words())]


def _problem(snapshot: Snapshot) -> str:
    return str(snapshot.problem) if snapshot.problem is not None else snapshot.warning


def when(seconds: float) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
