"""How many samples a step reads, and which of them a rank makes: plain arithmetic, the same on every rank.

samples  0 1 2 3 | 4 5 6 7 | 8 9 10 11 12 13 14 15 | 16 ...     BatchSizes([(0, 4), (2, 8)])
step     0       | 1       | 2                     | 3

rows of a step   0 1 2 3 4 5 6 7        RankShare(rank, 3): 0 1 2 | 3 4 5 | 6 7
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


class BatchSizes:
    """Samples of a step's global batch: one number, or one from each of some steps on (a batch-size warm-up).

    The order of samples does not depend on it: it only says how they are cut into steps.

    Args:
        stages: (step from which it holds, samples of a step) each, the first from step 0; or the one size.

    Raises:
        ValueError: when they do not begin at step 0, do not ascend, or a size is below 1.
    """

    def __init__(self, stages: int | Sequence[tuple[int, int]]) -> None:
        self.stages = ((0, stages),) if isinstance(stages, int) else tuple((step, size) for step, size in stages)
        self._steps = [step for step, _ in self.stages]
        if not self.stages or self._steps[0] != 0 or self._steps != sorted(set(self._steps)):
            raise ValueError(f"batch sizes must hold from step 0 and then from later and later steps: {self.stages}")
        if min(size for _, size in self.stages) < 1:
            raise ValueError(f"a step reads at least one sample: {self.stages}")
        self._firsts = [0]
        for (step, size), following in zip(self.stages, self._steps[1:], strict=False):
            self._firsts.append(self._firsts[-1] + size * (following - step))

    def at(self, step: int) -> int:
        """Samples of `step`, from 0.

        Raises:
            IndexError: for a negative step.
        """
        return self.stages[self._stage(step)][1]

    def samples(self, step: int) -> range:
        """The numbers of the samples of `step`: O(log stages), however late the step.

        Raises:
            IndexError: for a negative step.
        """
        stage = self._stage(step)
        start, size = self.stages[stage]
        first = self._firsts[stage] + (step - start) * size
        return range(first, first + size)

    def largest(self) -> int:
        """The most samples any step reads."""
        return max(size for _, size in self.stages)

    def _stage(self, step: int) -> int:
        if step < 0:
            raise IndexError(f"step {step}: steps are counted from 0")
        return bisect_right(self._steps, step) - 1


@dataclass(frozen=True)
class RankShare:
    """The rows of every step that one of several ranks makes: a stretch of them, in order.

    Where the ranks do not divide a step's samples the first ones have one row more; with fewer samples than ranks the
    last ones have none.

    Attributes:
        rank: which one, from 0.
        ranks: how many divide the batch (ranks that hold the same rows, as in tensor parallelism, count once).
    """

    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"there is no rank {self.rank} of {self.ranks}")

    def rows(self, size: int) -> range:
        """This rank's rows of a step of `size` samples."""
        least, more = divmod(size, self.ranks)
        start = self.rank * least + min(self.rank, more)
        return range(start, start + least + (self.rank < more))
