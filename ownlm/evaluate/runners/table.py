"""`ownlm eval languages`: what can be run on this machine, and the Debian packages that bring the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from ownlm.evaluate.runners.registry import runners


@dataclass(frozen=True)
class Row:
    """A language on this machine.

    Attributes:
        language: key.
        names: other names of it.
        version: what its tools say of themselves; None when something is missing.
        packages: Debian packages that bring them.
        extras: package -> problems that need it, of the absent ones.
    """

    language: str
    names: tuple[str, ...]
    version: str | None
    packages: tuple[str, ...]
    extras: dict[str, str]


def rows() -> list[Row]:
    """All languages, by key. Asks every tool for its version: about a second."""
    all_languages = runners()
    with ThreadPoolExecutor() as threads:
        versions = list(threads.map(lambda one: one.version(), all_languages))
    return [
        Row(
            one.language,
            one.names,
            version,
            one.packages,
            {extra.package: extra.why for extra in one.extras if extra.package in one.absent()},
        )
        for one, version in zip(all_languages, versions, strict=True)
    ]


def print_languages(out: Console, found: Sequence[Row], *, as_json: bool) -> None:
    """For a person, or as JSON: {"languages": [Row, ...]}."""
    if as_json:
        out.print(json.dumps({"languages": [asdict(row) for row in found]}), markup=False, soft_wrap=True)
        return
    table = Table("language", "also", "version, or what to install", box=None, pad_edge=False)
    for row in found:
        said = row.version or f"[yellow]apt-get install {' '.join(row.packages)}[/yellow]"
        table.add_row(row.language, ", ".join(row.names), said)
    out.print(table)
    for row in found:
        for package, why in row.extras.items() if row.version else ():
            out.print(f"{row.language}: {package} is needed by {why}", markup=False)
