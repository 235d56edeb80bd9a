"""`ownlm serve`: serve a run's model, or what a folder holds; make, list, rotate and revoke API keys.

`ownlm serve RUN` is short for `ownlm serve run RUN`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperGroup

from ownlm.arguments import DEFAULT_HOME, Home
from ownlm.errors import RecipeError
from ownlm.terminal import Terminal

DEFAULT = "run"
KEYS_FILE = "serve/keys.json"
_UNITS = {"m": 60, "h": 3600, "d": 86_400}


class _RunOrCommand(TyperGroup):
    """What is no command of the group is a run to serve; nothing at all is the latest one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before anything else than a command or a call for help."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


gateway = typer.Typer(
    cls=_RunOrCommand,
    help="Serve a model: completions for editors, playground, metrics. "
    "`ownlm serve [RUN]` is `ownlm serve run [RUN]`, whose --help shows the options.",
)
keys = typer.Typer(no_args_is_help=True, help="API keys of a gateway: made, listed, rotated, revoked.")
gateway.add_typer(keys, name="keys")
out = Terminal()

KeysFile = Annotated[
    Path | None, typer.Option("--file", help=f"The file of keys; {KEYS_FILE} below the home folder if left out.")
]
KeyName = Annotated[str, typer.Argument(help="What the key is called in lists and logs.")]


@gateway.command("run")
def run_gateway(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|SETTING=VALUE",
            help="The run to serve, the latest if left out; then settings, e.g. serve.deadline_s=5.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Instead of the recipe's port; 0 picks a free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Instead of the recipe's address.")] = None,
    watch: Annotated[
        Path | None,
        typer.Option(help="Serve what this folder holds (an export, or `current`), and what it holds next."),
    ] = None,
    keys_file: Annotated[
        Path | None, typer.Option("--keys", help="Ask for the API keys in this file (ownlm serve keys).")
    ] = None,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="Let other machines ask without keys.")] = False,
    tls_certificate: Annotated[Path | None, typer.Option(help="Answer by HTTPS with this certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key (PEM).")] = None,
    rollout: Annotated[str | None, typer.Option(help="Serve what this registry says (ownlm rollout).")] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Serve a finished run's model: completions in the protocols of editors, playground, metrics."""
    from ownlm import serving
    from ownlm.pipeline.store import Store
    from ownlm.recipe.load import serve_settings
    from ownlm.runs import read_record
    from ownlm.serve.config import ServeConfig

    given: dict[str, object] = {
        "port": port,
        "host": host,
        "keys": keys_file,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "rollout": rollout,
    }
    changed = {
        name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None
    }
    if without_keys:
        changed["without_keys"] = True
    run_name, overrides = run_and_settings(words or ())
    store = Store(home)
    record = read_record(store, run_name) if watch is None or run_name is not None else None
    settings = serve_settings(overrides, None if record is None else record.recipe)
    settings = ServeConfig.model_validate({**settings.model_dump(), **changed})
    if watch is not None:
        serving.serve_folder(out, store, watch, "" if record is None else record.name, settings)
    elif record is not None:
        serving.serve_record(out, store, record, settings)


def run_and_settings(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The run that is named, and settings: "RUN a.b=c d.e=f", where either may be left out."""
    if words and "=" not in words[0]:
        return words[0], words[1:]
    return None, words


@keys.command("add")
def add_key(
    name: KeyName,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="complete, events, metrics or admin (all); repeatable.")
    ] = None,
    user: Annotated[str, typer.Option(help="Whose requests these are; the request says if left out.")] = "",
    channel: Annotated[str, typer.Option(help="Rollout channel of this user; the gateway's if left out.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="How long it is good, e.g. 90d, 12h; for ever if left out.")
    ] = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Feedback keeps no code of this user.")] = False,
    file: KeysFile = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Make an API key, and show it, once."""
    from ownlm.serve.keys import SCOPES, Key, added, changing, new_secret, write_keys

    scopes = tuple(dict.fromkeys(scope or ["complete", "events"]))
    if unknown := [one for one in scopes if one not in SCOPES]:
        raise RecipeError(f"There is no scope {unknown[0]!r}.", where="--scope", advice=f"Use {', '.join(SCOPES)}.")
    if re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", name) is None:
        raise RecipeError(
            f"{name!r} cannot be a key's name.", where="NAME", advice="Use up to 64 letters, digits and . _ @ -"
        )
    now = time.time()
    token, secret = new_secret()
    key = Key(
        name=name,
        user=user,
        scopes=scopes,
        channel=channel,
        keep_text=not no_text,
        created=now,
        expires=None if expires is None else now + duration_s(expires, "--expires"),
        secrets=(secret,),
    )
    path = file or home / KEYS_FILE
    with changing(path) as before:
        write_keys(path, added(before, key))
    _show_token(token, f"Serve with it: ownlm serve --keys {path}")


@keys.command("list")
def list_keys(file: KeysFile = None, home: Home = DEFAULT_HOME) -> None:
    """List the keys: whose they are, what they allow, until when. The keys themselves are not kept."""
    from ownlm.serve.keys import read_keys

    now, table = time.time(), Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "user", "scopes", "channel", "made", "until", "state"):
        table.add_column(column)
    for key in read_keys(file or home / KEYS_FILE):
        until = "" if key.expires is None else _day(key.expires)
        over = key.expires is not None and now >= key.expires
        turning = any(secret.until is not None and now < secret.until for secret in key.secrets)
        state = "revoked" if key.revoked is not None else "expired" if over else "rotated" if turning else "good"
        table.add_row(key.name, key.user, ",".join(key.scopes), key.channel, _day(key.created), until, state)
    out.print(table)


@keys.command("rotate")
def rotate_key(
    name: KeyName,
    grace: Annotated[str, typer.Option(help="How long the present one stays good, e.g. 1d, 30m, 0d.")] = "1d",
    file: KeysFile = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Make a new secret for a key, and show it, once; the present one stays good for a while."""
    from ownlm.serve.keys import changing, new_secret, rotated, write_keys

    token, secret = new_secret()
    path = file or home / KEYS_FILE
    until = time.time() + duration_s(grace, "--grace")
    with changing(path) as before:
        write_keys(path, rotated(before, name, secret, until))
    still = time.strftime("%Y-%m-%d %H:%M", time.gmtime(until))
    _show_token(token, f"The one before is good until {still} UTC.")


@keys.command("revoke")
def revoke_key(name: KeyName, file: KeysFile = None, home: Home = DEFAULT_HOME) -> None:
    """End a key at once: running gateways read the file again with the next request."""
    from ownlm.serve.keys import changing, revoked, write_keys

    path = file or home / KEYS_FILE
    with changing(path) as before:
        write_keys(path, revoked(before, name, time.time()))
    out.print(f"{name} is revoked.", markup=False)


def duration_s(text: str, where: str) -> float:
    """Seconds of "90d", "12h", "30m".

    Raises:
        RecipeError: it is no such duration.
    """
    match = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if match is None:
        raise RecipeError(f"{text!r} is no duration.", where=where, advice="Write a number and m, h or d: 90d.")
    return float(int(match[1]) * _UNITS[match[2]])


def _show_token(token: str, more: str) -> None:
    out.print(token, markup=False, soft_wrap=True)
    out.print(f"This is shown once. {more}", style="dim", markup=False, soft_wrap=True)


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
