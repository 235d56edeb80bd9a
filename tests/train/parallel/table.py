"""The equality table: `python -m tests.train.parallel.table`, about four minutes on two cores.

For each layout the largest difference of the loss to one process's over five steps and a held-out measurement, and of
the gradient's length, each as a part of the value.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from tests.train.parallel.curves import allowed, alone, differences, read_curve, write_curves
from tests.train.parallel.layouts import FOUR, TWO, Case
from tests.train.parallel.places import together

STEPS = 5


def rows(world: int, cases: list[Case]) -> list[str]:
    """Lines of a Markdown table."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        together(world, Path(folder), write_curves, cases, STEPS)
        for number, case in enumerate(cases):
            loss, norm = differences(alone(case, STEPS), read_curve(Path(folder), number))
            most = allowed(case)
            verdict = "yes" if loss <= most[0] and norm <= most[1] else "NO"
            lines.append(f"| {case.name} | {world} | {loss:.1e} | {norm:.1e} | {verdict} |")
    return lines


def main() -> None:
    """Print it."""
    torch.set_num_threads(1)
    print("| layout | processes | loss | gradient | within tolerance |\n| --- | --- | --- | --- | --- |")
    for world, cases in ((2, TWO), (4, FOUR)):
        print("\n".join(rows(world, cases)), flush=True)


if __name__ == "__main__":
    main()
