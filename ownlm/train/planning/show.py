"""Proposed layouts as `ownlm plan RECIPE --gpus N` prints them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ownlm.pipeline.progress import format_count, format_seconds
from ownlm.train.planning.hardware import PRICED, Gpu
from ownlm.train.planning.propose import Proposal

SHOWN = 5
COLUMNS = ("layout", "batch", "again", "GB a GPU", "tokens/s", "time", "price")


def print_proposals(out: Console, found: Sequence[Proposal], gpu: Gpu, mfu: float, currency: str, *, own: bool) -> None:
    """The best few as a table, why the first is first, and the settings that make it.

    Args:
        out: where to.
        found: the fastest first; at least one.
        gpu: of all of them.
        mfu: that computing was taken to reach.
        currency: of prices.
        own: the price is the recipe's or the command line's, not the table's.
    """
    best = found[0]
    mesh = best.train.mesh
    machines = f" in {mesh.nodes} machines" if mesh.nodes > 1 else ""
    out.print(Text(f"\nlayouts on {mesh.places} {gpu.name}{machines}: {len(found)} fit"), style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for one in found[:SHOWN]:
        table.add_row(*map(Text, _cells(one, currency)))
    out.print(table)
    facts = {
        "first": best.reason,
        "memory": _parts(best),
        "settings": " ".join(best.overrides()),
        "assumed": f"{mfu:.0%} of {gpu.flops / 1e12:.0f} TFLOP/s while computing; "
        f"{best.price:.2f} {currency} a GPU and hour ({'as given' if own else PRICED})",
    }
    for name, words in facts.items():
        out.print(Text(f"{name:<16} {words}"), soft_wrap=True)


def _cells(one: Proposal, currency: str) -> list[str]:
    batch = str(one.train.batch) + (f" x {one.train.accumulate}" if one.train.accumulate > 1 else "")
    again = one.train.activation_checkpointing
    figures = [f"{one.memory.peak / 1e9:.1f}", format_count(one.tokens_per_s), format_seconds(one.hours * 3600)]
    return [one.ways, batch, again, *figures, f"{one.money:,.2f} {currency}"]


def _parts(one: Proposal) -> str:
    parts = sorted(one.memory.parts.items(), key=lambda part: -part[1])
    words = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in parts if size >= 5e7)
    return f"{one.memory.peak / 1e9:.1f} GB at the {one.memory.moment}: {words}"
