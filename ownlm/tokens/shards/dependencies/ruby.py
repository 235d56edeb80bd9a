"""Ruby: `require_relative "../a"`, and `require "a/b"` where the repository has a `lib/a/b.rb`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ownlm.tokens.shards.dependencies.files import Files

LANGUAGES = ("Ruby",)
_REQUIRE = re.compile(r"""^[ \t]*require(_relative)?[ \t(]{1,9}(["'])([^"'\n#]+)\2""", re.MULTILINE)


def references(text: str) -> list[str]:
    """What a file requires; relative paths begin with "./"."""
    return [f"./{name}" if relative else name for relative, _, name in _REQUIRE.findall(text)]


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The file that `path` means by a reference, if the repository has it."""
    name = reference.removesuffix(".rb") + ".rb"
    found = files.beside(path, name) if name.startswith("./") else files.nearest(f"lib/{name}", path)
    return [] if found in (None, path) else [found]
