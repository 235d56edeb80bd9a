"""Rust: `mod a;`, `use crate::a::b`, and, of a file's own module, `use self::a`, `use super::a`.

Module a of folder/b.rs is folder/b/a.rs or folder/b/a/mod.rs; of folder/mod.rs, lib.rs or main.rs it is folder/a.rs.
The crate begins in the nearest folder above that has a lib.rs or a main.rs. Of a path the longest part that is a module
is taken: the rest are names in it. Indented `self` and `super` are those of a module inside the file, and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from posixpath import dirname, splitext

from ownlm.tokens.shards.dependencies.files import Files

LANGUAGES = ("Rust",)
_IMPORT = re.compile(
    r"^([ \t]*)(?:pub(?:\([^)\n]{0,99}\))?[ \t]+)?"
    r"(?:mod[ \t]+(\w+)[ \t]*|use[ \t]+((?:crate|self|super)::[^;]{1,5000}));",
    re.MULTILINE,
)
_RENAMED = re.compile(r"\s+as\s+\w+")
_ROOTS = ("lib.rs", "main.rs")


def references(text: str) -> list[str]:
    """The modules a file declares, as "self::a", and the paths it uses."""
    found = []
    for indent, module, used in _IMPORT.findall(text):
        if module:
            found.append(f"self::{module}")
        elif not indent or used.startswith("crate"):
            found += _expanded("".join(_RENAMED.sub("", used).split()))
    return found


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The file that `path` means by a reference, if the repository has it."""
    start, *parts = reference.split("::")
    folder = _crate(path, files) if start == "crate" else _children(path)
    while start == "super" and folder is not None:
        folder = dirname(folder) if folder else None
        start = parts.pop(0) if parts[:1] == ["super"] else ""
    if folder is None:
        return []
    for length in range(len(parts), 0, -1):
        stem = "/".join(part for part in (folder, *parts[:length]) if part)
        found = files.first([f"{stem}.rs", f"{stem}/mod.rs"])
        if found is not None:
            return [found] if found != path else []
    return []


def _children(path: str) -> str:
    """The folder of a file's modules."""
    return dirname(path) if path.rpartition("/")[2] in (*_ROOTS, "mod.rs") else splitext(path)[0]


def _crate(path: str, files: Files) -> str | None:
    folder = dirname(path)
    while True:
        if files.first(f"{folder}/{root}".lstrip("/") for root in _ROOTS) is not None:
            return folder
        if not folder:
            return None
        folder = dirname(folder)


def _expanded(tree: str) -> Iterator[str]:
    """Every path of a use tree without white space: "a::{b,c::{d,e}}" -> "a::b", "a::c::d", "a::c::e"."""
    front: list[str] = [""]
    name = ""
    for character in f"{tree},":
        if character == "{":
            front.append(front[-1] + name)
            name = ""
        elif character in ",}":
            if name:
                yield front[-1] + name
            name = ""
            if character == "}" and len(front) > 1:
                front.pop()
        else:
            name += character
