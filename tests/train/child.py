"""The train stage in a process of its own, to be killed: `... INPUTS WORK COMPILE STEPS [HOLD]`.

HOLD "before:9" or "after:9": it waits for its end when the checkpoint of step 9 is written, before or after its rename.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ownlm.train.checkpoint.place import Folder
from ownlm.train.run import train
from tests.train.inputs import small, stage_context

LONG_S = 3600


def hold(when: str, at: int) -> None:
    publish = Folder.publish

    def held(self: Folder, step: int, description: bytes, files: set[str]) -> None:
        if step == at and when == "before":
            time.sleep(LONG_S)
        publish(self, step, description, files)
        if step == at:
            time.sleep(LONG_S)

    Folder.publish = held  # type: ignore[method-assign]


def main() -> None:
    import torch  # after ownlm.train, as in a real run

    inputs, work, compiled, steps = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    torch.set_num_threads(2)
    config = small(steps=steps, batch=4, checkpoint_every=3, log_every=5, compile=compiled, optimizer="muon")
    for moment in sys.argv[5:]:
        when, at = moment.split(":")
        hold(when, int(at))
    train(stage_context(inputs, work, config))


if __name__ == "__main__":
    main()
