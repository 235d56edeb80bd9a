"""C++, by g++ in its own default standard, with <bits/stdc++.h> compiled once where a program begins with it.

That header is four fifths of the compiler's time (1.32 s of CPU against 0.26). It is put before the program only where
the program itself includes it before any other code: nowhere else would it mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ownlm.evaluate.runners.language import Extra
from ownlm.evaluate.runners.native import WRAP, Native
from ownlm.evaluate.runners.toolchain import build, first_line, kept, path_of

FLAGS = ("-O0", "-pipe")
HEADER = "#include <bits/stdc++.h>\n"
_BEGINS = re.compile(
    r"\A(?:\s+|//[^\n]*\n|/\*.*?\*/|#\s*include\s*<[^>\n]+>)*?#\s*include\s*<bits/stdc\+\+\.h>", re.DOTALL
)
_LIBRARIES = {"openssl/": "-lcrypto"}


class Cpp(Native):
    """C++."""

    language = "cpp"
    names = ("c++", "cc", "cxx")
    packages = ("g++",)
    extras = (
        Extra("libboost-dev", "/usr/include/boost/any.hpp", "HumanEval-X CPP/22 and 137"),
        Extra("libssl-dev", "/usr/include/openssl/md5.h", "HumanEval-X CPP/162"),
    )
    tells = (("g++", "--version"),)

    def compiled(self, text: str, end: str) -> tuple[str, Sequence[str], Sequence[Path]]:
        """See `Native.compiled`."""
        header = precompiled() if _BEGINS.match(text) else None
        included = () if header is None else ("-include", str(header / "stdc++.h"))
        libraries = [flag for folder, flag in _LIBRARIES.items() if f"<{folder}" in text]
        command = (path_of("g++"), *FLAGS, *included, "program.cpp", end, WRAP, "-o", "program", *libraries)
        return "program.cpp", command, () if header is None else (header,)


def precompiled() -> Path:
    """The folder with the compiled header: 100 MB, 4 s once."""
    compiler = path_of("g++")

    def make(folder: Path) -> None:
        (folder / "stdc++.h").write_text(HEADER)
        build((compiler, *FLAGS, "-x", "c++-header", "stdc++.h", "-o", "stdc++.h.gch"), folder)

    return kept("stdc++", (first_line("g++", "--version") or "", *FLAGS, HEADER), make)
