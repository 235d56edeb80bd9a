"""The train stage in a process: `python -m tests.train.parallel.child INPUTS WORK SETTINGS`, to be interrupted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ownlm.errors import OwnlmError
from ownlm.train.run import train
from tests.train.inputs import small, stage_context


def main() -> int:
    inputs, work, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    try:
        train(stage_context(inputs, work, small(**settings)))
    except OwnlmError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
