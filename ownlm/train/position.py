"""`Position`: where a run is, all of it in the checkpoint; and which data each of its steps reads."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import Any

from pydantic import JsonValue

from ownlm.train.step import Measured


@dataclass
class Position:
    """Where the loop is.

    Attributes:
        step: optimizer steps done, skipped ones included.
        seconds: spent so far, earlier runs included.
        since_log: what the steps since the last log line saw.
        loss: mean over the last complete log interval.
        heldout: the last small held-out measurement; None before the first, or without held-out files.
        resumed: steps this run was continued at.
        moved: it was once continued under another execution, so its last bits may differ.
        skipped: numbers (from 1) of the steps that changed nothing.
        rewound: (from, to) step of every rewind.
        left_out: stretches [first, end) of data steps that are never read, ascending and apart.
    """

    step: int = 0
    seconds: float = 0.0
    since_log: list[Measured] = field(default_factory=list)
    loss: Measured | None = None
    heldout: Measured | None = None
    resumed: list[int] = field(default_factory=list)
    moved: bool = False
    skipped: list[int] = field(default_factory=list)
    rewound: list[tuple[int, int]] = field(default_factory=list)
    left_out: list[tuple[int, int]] = field(default_factory=list)

    def data_step(self, step: int) -> int:
        """The data step that is read after `step` steps: the steps' own numbers, those left out passed over."""
        for first, end in self.left_out:
            if step < first:
                break
            step += end - first
        return step

    def contiguous(self, steps: int) -> tuple[int, int]:
        """The stretch [first, end) of data steps to read next, in one piece, of a run of `steps` steps."""
        start = self.data_step(self.step)
        end = start + steps - self.step
        return start, min([end, *(first for first, _ in self.left_out if first > start)])

    def leave_out(self, data_steps: set[int]) -> None:
        """Never read these data steps (again). They must lie at or after the one that is read next.

        Raises:
            ValueError: when one was read already, or all are left out already.
        """
        before = {step for first, end in self.left_out for step in range(first, end)}
        if not data_steps - before or min(data_steps) < self.data_step(self.step):
            raise ValueError(f"cannot leave out data steps {sorted(data_steps)} at step {self.step}")
        self.left_out = []
        for step in sorted(data_steps | before):
            if self.left_out and self.left_out[-1][1] == step:
                self.left_out[-1] = (self.left_out[-1][0], step + 1)
            else:
                self.left_out.append((step, step + 1))

    def to_json(self) -> dict[str, JsonValue]:
        """Plain values for a checkpoint; floats keep every bit."""
        return {
            "seconds": self.seconds,
            "since_log": [list(astuple(part)) for part in self.since_log],
            "loss": None if self.loss is None else list(astuple(self.loss)),
            "heldout": None if self.heldout is None else list(astuple(self.heldout)),
            "resumed": list(self.resumed),
            "moved": self.moved,
            "skipped": list(self.skipped),
            "rewound": [list(pair) for pair in self.rewound],
            "left_out": [list(pair) for pair in self.left_out],
        }

    @classmethod
    def from_json(cls, step: int, values: dict[str, Any]) -> Position:
        """The inverse of `to_json`."""
        loss, heldout = values["loss"], values["heldout"]
        return cls(
            step,
            values["seconds"],
            [Measured(*part) for part in values["since_log"]],
            None if loss is None else Measured(*loss),
            None if heldout is None else Measured(*heldout),
            list(values["resumed"]),
            values["moved"],
            list(values["skipped"]),
            [(start, end) for start, end in values["rewound"]],
            [(first, end) for first, end in values["left_out"]],
        )
