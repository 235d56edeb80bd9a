"""Java, Kotlin, Scala and Groovy: `import a.b.C`, `import static a.b.C.m`, `import a.b.*`, `import a.b.{C, D => E}`.

The file of a.b.C ends in `a/b/C.java` (`.kt`, `.scala`, `.groovy`); what is imported may also be a member of a class,
so one part less is tried too. `a.b.*` means the files of the folder that ends in `a/b`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ownlm.tokens.shards.dependencies.files import Files

LANGUAGES = ("Java", "Kotlin", "Scala", "Groovy")
_IMPORT = re.compile(
    r"^[ \t]*import[ \t]+(?:static[ \t]+)?([\w$`]+(?:\.[\w$`]+)*(?:\.(?:\*|\{[^{}]{0,5000}\}))?)", re.MULTILINE
)
_ENDINGS = (".java", ".kt", ".scala", ".groovy")
_ALL = ("*", "_")


def references(text: str) -> list[str]:
    """The dotted names a file imports; "a.b.*" for all of a package."""
    return [name for found in _IMPORT.findall(text) for name in _names(found.replace("`", ""))]


def resolve(path: str, reference: str, files: Files) -> Sequence[str]:
    """The files that `path` means by a reference, if the repository has them."""
    parts = reference.split(".")
    if parts[0] not in files.names:
        return []
    if parts[-1] in _ALL:
        folder = files.folder("/".join(parts[:-1]), path) if len(parts) > 2 else None
        if folder is not None:
            return [file for file in files.folders[folder] if file.endswith(_ENDINGS) and file != path]
        parts.pop()
    for length in (len(parts), len(parts) - 1):
        for ending in _ENDINGS if length > 1 else ():
            found = files.nearest("/".join(parts[:length]) + ending, path)
            if found is not None:
                return [found] if found != path else []
    return []


def _names(found: str) -> Iterator[str]:
    package, brace, group = found.partition("{")
    if not brace:
        yield found
        return
    for name in group.rstrip("}").split(","):
        yield package + name.replace("=>", " ").replace(" as ", " ").strip().split(" ")[0]
