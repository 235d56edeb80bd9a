"""Bash. A wrong answer ends the tests by `set -e`, which they switch on.

The interpreter reads its file bit by bit: it cannot be removed first.
"""

from __future__ import annotations

from dataclasses import replace

from ownlm.evaluate.runners.language import RUN
from ownlm.evaluate.runners.script import Script


class Bash(Script):
    """Bash."""

    language = "bash"
    names = ("sh", "shell")
    packages = ("bash",)
    tells = (("bash", "--version"),)
    file = "program.sh"
    command = ("bash",)
    limits = replace(RUN, processes=256)

    def text(self, text: str, nonce: str) -> str:
        """See `Script.text`."""
        return f"{text}\nprintf '\\n%s\\n' {nonce}\n"
