"""The world outside that cleaning depends on: benchmarks, examples and references a recipe names."""

from __future__ import annotations

from pathlib import Path

from ownlm.data.clean.config import RulesConfig
from ownlm.data.sources.index import FileIndex, combine, stamp_of
from ownlm.errors import InputError


def check_outside(rules: RulesConfig) -> None:
    """See that everything is there that the rules name: said before a lake is built, not hours later.

    Raises:
        InputError: a file or folder is missing, or a folder holds no file.
        RecipeError: a natural language is not one that can be told.
    """
    _check_paths(rules)
    if rules.natural_language is not None:
        # Only then, since what tells languages takes a second to load.
        from ownlm.data.clean.natural_language import NaturalLanguageRule

        NaturalLanguageRule(rules.natural_language)


def _check_paths(rules: RulesConfig) -> None:
    for setting, root in rules.outside():
        if not root.exists():
            raise InputError(
                f"What `{setting}` names is not there.",
                where=root,
                advice="Correct the path (one that is not absolute starts at the folder ownlm is run in), "
                "or take the rule out.",
            )
        if root.is_dir() and not any(path.is_file() for path in root.rglob("*")):
            raise InputError(f"The folder that `{setting}` names holds no files.", where=root)


def outside_fingerprint(rules: RulesConfig, cache: Path | None) -> str:
    """A hash of the files outside that the verdicts depend on (`RulesConfig.outside`): names and contents.

    Raises:
        InputError: one of them is missing.
    """
    _check_paths(rules)
    entries: list[tuple[str, ...]] = []
    for number, (_, root) in enumerate(rules.outside()):
        index = FileIndex(f"outside:{root}", cache)
        for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if file.is_file():
                name = file.relative_to(root).as_posix()
                entries.append((str(number), name, index.sha256(str(file), file, stamp_of(file.stat()))))
        index.save()
    return combine("outside", entries)
