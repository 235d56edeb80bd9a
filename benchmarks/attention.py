"""Attention over packed documents on a CPU: the full mask beside document by document, forward and backward.

    python benchmarks/attention.py

One thread, CPU time (other work on the machine does not count), the best of five.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from ownlm.model.attention.documents import documents, lengths_of
from ownlm.model.attention.sdpa import sdpa
from ownlm.model.view import Attend

SHAPES = ((16, 256, 6, 32), (4, 1024, 8, 64), (2, 2048, 8, 64))
MEAN_LENGTHS = (100, 300, 1000, 10**9)
REPEATS = 5


def milliseconds(run: Callable[[], object]) -> float:
    """CPU time of the fastest of a few runs."""
    run()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best * 1e3


def forward_and_backward(attend: Attend, inputs: Sequence[torch.Tensor], up: torch.Tensor) -> None:
    """What training does; the mask, made once a pass for all layers, is not counted."""
    torch.autograd.grad(attend(*inputs), inputs, up)


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    print(
        f"{'rows x positions x heads x width':>34} {'documents':>10} {'mask ms':>9} {'documents ms':>13} {'times':>6}"
    )
    for rows, length, heads, width in SHAPES:
        generator = torch.Generator().manual_seed(0)
        q, k, v, up = (torch.randn(rows, heads, length, width, generator=generator) for _ in range(4))
        inputs = [x.requires_grad_() for x in (q, k, v)]
        for mean in MEAN_LENGTHS:
            segments_BL = (torch.rand(rows, length, generator=generator) < 1 / mean).cumsum(1)

            masked, split = (
                milliseconds(partial(forward_and_backward, make(segments_BL), inputs, up)) for make in (sdpa, documents)
            )
            count = sum(map(len, lengths_of(segments_BL)))
            shape = f"{rows} x {length} x {heads} x {width}"
            print(f"{shape:>34} {count:>10} {masked:>9.1f} {split:>13.1f} {masked / split:>6.2f}")


if __name__ == "__main__":
    main()
