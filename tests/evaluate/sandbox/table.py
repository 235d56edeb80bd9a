"""Print what became of every attack: `python -m tests.evaluate.sandbox.table`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ownlm.evaluate.sandbox.open import open_sandbox
from tests.evaluate.sandbox.attacks import ATTACKS
from tests.evaluate.sandbox.scene import carry_out, scene, verdict


def main() -> int:
    """A Markdown table; 1 unless all are contained."""
    sandbox = open_sandbox()
    print(", ".join(f"{name}: {value}" for name, value in sandbox.describe().items()), "\n")
    print("| attack | ended by | verdict |\n|---|---|---|")
    verdicts = []
    for attack in ATTACKS:
        with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as stage:
            ended = carry_out(attack, sandbox, stage)
            verdicts.append(verdict(attack, ended, stage))
        print(f"| {attack.name} | {ended.how} {ended.code} | {verdicts[-1]} |", flush=True)
    print(f"\n{verdicts.count('contained')} of {len(verdicts)} contained")
    return int(verdicts.count("contained") < len(verdicts))


if __name__ == "__main__":
    sys.exit(main())
