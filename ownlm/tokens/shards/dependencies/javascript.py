"""JavaScript and TypeScript: `import ... from "./a"`, `export ... from`, `import("./a")`, `require("../a")`.

Relative references only: the others are packages, or aliases that a build tool's settings explain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import splitext

from ownlm.tokens.shards.dependencies.files import Files, joined

LANGUAGES = ("JavaScript", "TypeScript", "TSX", "Vue", "Svelte")
_PATH = re.compile(r"""(["'])(\.{1,2}(?:/[^"'\n]{0,999})?)\1""")
_WORDS = ("from", "import", "require")
_ENDINGS = (".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte", ".json")
_WRITTEN_AS = {".js": (".ts", ".tsx", ".d.ts"), ".jsx": (".tsx",), ".mjs": (".mts", ".d.mts"), ".cjs": (".cts",)}
"""TypeScript names the file it will be compiled to."""


def references(text: str) -> list[str]:
    """The relative paths a file imports."""
    found = []
    for match in _PATH.finditer(text):  # what begins like a path is rare, and found at once; then what is before it
        at = match.start()
        if text[max(0, at - 40) : at].rstrip(" \t\r\n(").endswith(_WORDS):
            found.append(match[2])
    return found


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The file that `path` means by a reference, if the repository has it."""
    place = joined(path, reference)
    if place is None:
        return []
    stem, ending = splitext(place)
    folder = "" if place == "." else f"{place}/"
    candidates = [place, *(stem + other for other in _WRITTEN_AS.get(ending, ()))]
    candidates += [place + ending for ending in _ENDINGS] + [f"{folder}index{ending}" for ending in _ENDINGS]
    found = files.first(candidates)
    return [] if found in (None, path) else [found]
