"""D, by gdc; the tests are `unittest` blocks, which run before the program's main."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ownlm.evaluate.runners.native import WRAP, Native
from ownlm.evaluate.runners.toolchain import path_of


class D(Native):
    """D."""

    language = "d"
    names = ("dlang",)
    packages = ("gdc",)
    tells = (("gdc", "--version"),)

    def compiled(self, text: str, end: str) -> tuple[str, Sequence[str], Sequence[Path]]:
        """See `Native.compiled`."""
        command = (path_of("gdc"), "-O0", "-funittest", "program.d", end, WRAP, "-o", "program")
        return "program.d", command, ()
