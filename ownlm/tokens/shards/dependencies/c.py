"""C, C++ and their kin: `#include "a/b.h"`, and `#import` of Objective-C.

Beside the file first, as compilers do; then wherever a path ends so, for the folders a build gives as `-I`. What stands
in angle brackets is the system's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import normpath

from ownlm.tokens.shards.dependencies.files import Files

LANGUAGES = ("C", "C++", "Objective-C", "Objective-C++", "Cuda")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*"([^"\n]+)"', re.MULTILINE)


def references(text: str) -> list[str]:
    """The paths a file includes."""
    found: list[str] = _INCLUDE.findall(text)
    return found


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The file that `path` means by a reference, if the repository has it."""
    found = files.beside(path, reference)
    if found is None:
        tail = normpath(reference).lstrip("./")
        found = files.nearest(tail, path) if tail else None
    return [] if found in (None, path) else [found]
