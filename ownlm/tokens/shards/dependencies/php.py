r"""PHP: `require`, `include` of a file, and `use A\B\C`.

A class C of namespace A\B is in a file that ends in `B/C.php` (PSR-4: the front of the namespace stands for a folder of
any name): the longest end of the name that the repository has, of two parts at least.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ownlm.tokens.shards.dependencies.files import Files

LANGUAGES = ("PHP",)
_INCLUDE = re.compile(
    r"""(?:require|include)(?:_once)?\b[ \t(]{0,9}(?:__DIR__|dirname\(__FILE__\))?[ \t]{0,9}\.?[ \t]{0,9}"""
    r"""(["'])([^"'\n$]+\.php)\1"""
)
_USE = re.compile(
    r"^[ \t]*use[ \t]+(?:function[ \t]+|const[ \t]+)?(\\?\w+(?:\\\w+)*)(?:\\\{([^{}]{0,5000})\})?[^;\n]{0,200};",
    re.MULTILINE,
)
_NAME = re.compile(r"([\w\\]+)(?:\s+as\s+\w+)?")


def references(text: str) -> list[str]:
    r"""The files a file includes, as paths, and the names it uses, with backslashes."""
    found = [f"./{name.lstrip('/')}" for _, name in _INCLUDE.findall(text)]
    for name, group in _USE.findall(text):
        front = name.lstrip("\\")
        found += [rf"{front}\{one}" for one in _NAME.findall(group)] if group else [front]
    return found


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The file that `path` means by a reference, if the repository has it."""
    found: str | None
    if reference.startswith("./"):
        found = files.beside(path, reference) or files.nearest(reference[2:].lstrip("./"), path)
    else:
        parts = reference.split("\\")
        tails = ("/".join(parts[first:]) + ".php" for first in range(len(parts) - 1))
        found = next((one for tail in tails if (one := files.nearest(tail, path)) is not None), None)
    return [] if found in (None, path) else [found]
