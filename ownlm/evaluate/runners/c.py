"""C, by gcc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ownlm.evaluate.runners.native import WRAP, Native
from ownlm.evaluate.runners.toolchain import path_of


class C(Native):
    """C."""

    language = "c"
    packages = ("gcc", "libc6-dev")
    tells = (("gcc", "--version"),)
    needs = ("/usr/include/stdio.h",)

    def compiled(self, text: str, end: str) -> tuple[str, Sequence[str], Sequence[Path]]:
        """See `Native.compiled`."""
        return "program.c", (path_of("gcc"), "-O0", "-pipe", "program.c", end, WRAP, "-o", "program", "-lm"), ()
