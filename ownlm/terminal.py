"""Where commands print: a terminal's lines are as wide as it is, those of a file or a pipe are never broken."""

from __future__ import annotations

import os

from rich.console import Console, ConsoleDimensions
from rich.measure import Measurement
from rich.table import Table

UNBROKEN = 100_000
"""Characters a line may have where there is no terminal to fit it to."""


class Terminal(Console):
    """rich's console without its 80 columns for what is no terminal; the variable COLUMNS holds everywhere.

    Args:
        stderr: print there instead of to standard output.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False)

    @property  # type: ignore[misc]  # without a setter: nobody sets the size of what is no terminal
    def size(self) -> ConsoleDimensions:
        """Columns and lines to fit text into."""
        found = super().size
        if self.is_terminal or "COLUMNS" in os.environ:
            return found
        return ConsoleDimensions(UNBROKEN, found.height)


def print_whole(out: Console, table: Table) -> None:
    """Print a table as wide as it is: a narrow terminal breaks its lines, and no figure is cut. Cells are no markup."""
    needed = Measurement.get(out, out.options.update(width=UNBROKEN, markup=False), table).maximum
    wide = out if out.width >= needed else Console(file=out.file, width=needed, highlight=False)
    wide.print(table, markup=False)
