"""Python: `import a.b`, `from a.b import c`, `from ..b import c`.

A reference is dotted, `a.b.c` for `from a.b import c`: c may be a module or a name in b, so the file of a.b.c is looked
for first, then that of a.b. An absolute one may start at any folder that is no package itself (`src/`, `lib/x/`); one
of a single part, such as `import json`, only where the file that says so would find it: beside or above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import dirname

from ownlm.tokens.shards.dependencies.files import Files, nearest

LANGUAGES = ("Python",)
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]*\bimport[ \t]*(\([^()]{0,10000}\)|[^\n#;()\\]+(?:\\\n[^\n#;()\\]+){0,50})"
    r"|import[ \t]+([^\n#;]+))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"#[^\n]*")
_NAME = re.compile(r"(\w[\w.]*|\*)(?:\s+as\s+\w+)?")
_SOURCE_FOLDERS = ("src", "lib", "python")


def references(text: str) -> list[str]:
    """The dotted names a file imports, relative ones with their dots."""
    found = []
    for module, names, plain in _IMPORT.findall(text):
        if plain:
            found += [name for name in _NAME.findall(plain) if name != "*"]
            continue
        stem = module if not module or module.endswith(".") else f"{module}."
        for name in _NAME.findall(_COMMENT.sub("", names)):
            found.append(module if name == "*" else stem + name)
    return found


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The file that `path` means by a reference, if the repository has it."""
    name = reference.lstrip(".")
    dots, parts = len(reference) - len(name), name.split(".") if name else []
    for length in (len(parts), len(parts) - 1):
        found = _relative(path, dots, parts[:length], files) if dots else _absolute(path, parts[:length], files)
        if found is not None and found != path:
            return [found]
    return []


def _relative(path: str, dots: int, parts: Sequence[str], files: Files) -> str | None:
    folder = dirname(path).split("/") if "/" in path else []
    if dots - 1 > len(folder):
        return None
    stem = "/".join([*folder[: len(folder) - dots + 1], *parts])
    return files.first(_files_of(stem))


def _absolute(path: str, parts: Sequence[str], files: Files) -> str | None:
    if not parts or parts[0] not in files.names:
        return None
    for tail in _files_of("/".join(parts)):
        found = [one for one in files.ending(tail) if _importable(path, one[: -len(tail)], len(parts), files)]
        if found:
            return nearest(found, path)
    return None


def _importable(path: str, root: str, parts: int, files: Files) -> bool:
    """Whether a module below `root` ("" or "a/b/") is imported from there: no package, and in sight."""
    if f"{root}__init__.py" in files:
        return False
    return parts > 1 or path.startswith(root) or root.rstrip("/").rpartition("/")[2] in _SOURCE_FOLDERS


def _files_of(stem: str) -> list[str]:
    return [f"{stem}.py", f"{stem}/__init__.py"] if stem else ["__init__.py"]
