"""Our own token files read as one sequence of ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ownlm.tokens.shards.files import Bytes, ShardFiles

Ids = npt.NDArray[Any]


class TokenStream:
    """The token files of a split as one sequence of ids; slices are arrays of the stored type (uint16 or uint32).

    Args:
        open_files: (what is held of a file) -> the files.
        lengths: how many tokens each holds.
        dtype: of the token ids.
    """

    def __init__(
        self,
        open_files: Callable[[Callable[[int, Bytes], Ids]], ShardFiles[Ids]],
        lengths: Sequence[int],
        dtype: np.dtype[Any],
    ) -> None:
        self.dtype = dtype
        self._ends = np.cumsum(np.array(lengths, dtype=np.int64))
        self.files = open_files(lambda _, part: part.view(dtype))
        self._held = self.files.held

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, wanted: slice) -> Ids:
        start, stop, step = wanted.indices(len(self))
        if step != 1:
            raise ValueError("token streams are read in steps of one")
        number = int(np.searchsorted(self._ends, start, side="right"))
        pieces = []
        while start < stop:
            begin = int(self._ends[number - 1]) if number else 0
            end = min(stop, int(self._ends[number]))
            part = self._held[number]
            if part is None:
                part = self.files.open(number)
            pieces.append(part[start - begin : end - begin])
            start, number = end, number + 1
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=self.dtype)

    def shards_at(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of the file that each position is in."""
        return np.searchsorted(self._ends, positions, side="right")
