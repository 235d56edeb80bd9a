"""Go: `import "example.org/module/folder"`: all files of a package, which is a folder.

The part of an import path before the folder is the module's: as a go.mod of the repository says, or else, where that
is not in the table, one that ends in the repository's name (`.../name`, `.../name/v2`). Paths without a domain are the
standard library's: its own sources import it by folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import dirname

from ownlm.tokens.shards.dependencies.files import Files

LANGUAGES = ("Go", "Go Module")
_IMPORTS = re.compile(r'^import[ \t]*(?:\(([^)]{0,20000})\)|(?:[\w.]+[ \t]+)?("[^"\n]+"|`[^`\n]+`))', re.MULTILINE)
_PATH = re.compile(r'["`]([^"`\n]+)["`]')
_MODULE = re.compile(r'^module[ \t]+"?([^\s"]+)', re.MULTILINE)
_DECLARES = "module "
_VERSION = re.compile(r"/v\d+$")


def references(text: str) -> list[str]:
    """The import paths of a file; of a go.mod "module " and the path of the module it declares."""
    found = [path for block, one in _IMPORTS.findall(text) for path in _PATH.findall(block or one)]
    return found or [_DECLARES + module for module in _MODULE.findall(text)[:1]]


def declare(path: str, found: Sequence[str], files: Files) -> None:
    """Note the module that a go.mod declares."""
    if path.rpartition("/")[2] == "go.mod" and found:
        files.modules[dirname(path)] = found[0].removeprefix(_DECLARES)


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The files of the package that `path` imports, tests left out, if the repository has it."""
    if reference.startswith(_DECLARES):
        return []
    folder = _declared(reference, files) if files.modules else _guessed(path, reference, files)
    if folder is None:
        return []
    own = dirname(path)
    package = files.folders.get(folder, ()) if folder != own else ()
    return [file for file in package if file.endswith(".go") and not file.endswith("_test.go")]


def _declared(reference: str, files: Files) -> str | None:
    """The folder of an import path below the longest module that it begins with."""
    for folder, module in sorted(files.modules.items(), key=lambda item: (-len(item[1]), item)):
        if reference == module or reference.startswith(f"{module}/"):
            return "/".join(part for part in (folder, reference[len(module) + 1 :]) if part)
    return None


def _guessed(path: str, reference: str, files: Files) -> str | None:
    """The folder of an import path whose front ends in the repository's name; in the standard library, the path."""
    name = files.repository.rstrip("/").rpartition("/")[2].lower()
    parts = reference.split("/")
    if "." not in parts[0]:
        return files.folder(reference, path) if len(parts) > 1 or reference in files.folders else None
    for length in range(1, len(parts) + 1):
        module = _VERSION.sub("", "/".join(parts[:length])).lower()
        if module.rpartition("/")[2] == name:
            tail = parts[length + (length < len(parts) and bool(re.fullmatch(r"v\d+", parts[length]))) :]
            return files.folder("/".join(tail), path) if tail else ("" if "" in files.folders else None)
    return None
