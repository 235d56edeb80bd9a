"""Load a recipe: YAML + overrides -> a strict, frozen `Recipe`, every fault with its place and the nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.error import YAMLError

from ownlm.errors import RecipeError
from ownlm.export.config import REFUSED
from ownlm.pipeline.tracking.redact import redact
from ownlm.recipe.schema import Recipe
from ownlm.recipe.yaml_file import KeyPath, Lines, parse_value, read_yaml
from ownlm.serve.config import ServeConfig

_OVERRIDE = "command line: "


def load_recipe(path: Path, overrides: Sequence[str] = (), sources: Sequence[Path] = ()) -> Recipe:
    """Read, override, validate.

    Args:
        path: the YAML file.
        overrides: "dotted.key=value" as on the command line; values are YAML.
        sources: folders that take the place of the recipe's sources.

    Raises:
        RecipeError: with file and line (or the override's text), and the nearest known key for an unknown one.
    """
    values, lines = read_yaml(path)
    places: dict[KeyPath, str] = {key: f"{path}:{line}" for key, line in lines.items()}
    if sources:
        values["sources"] = [{"directory": {"path": str(source)}} for source in sources]
        for index, source in enumerate(sources):
            places[("sources", index)] = f"--source {source}"
    for text in overrides:
        _override(values, places, text)
    return validate(values, places, str(path))


def serve_settings(overrides: Sequence[str], path: Path | None) -> ServeConfig:
    """How to serve: as a recipe says, or by default, with overrides of `serve.` settings.

    Args:
        overrides: as in `load_recipe`.
        path: the recipe; None for none.

    Raises:
        RecipeError: as `load_recipe`; or an override is not about serving.
    """
    for text in overrides:
        if not text.startswith("serve."):
            advice = "Write serve.NAME=VALUE, e.g. serve.deadline_s=5; other settings are those of `ownlm run`."
            raise RecipeError(
                "Only settings of serving can be changed here.", where=f"{_OVERRIDE}{text}", advice=advice
            )
    if path is not None:
        return load_recipe(path, overrides).serve
    values: dict[str, Any] = {"name": "served", "sources": [{"python": {}}]}
    places: dict[KeyPath, str] = {}
    for text in overrides:
        _override(values, places, text)
    return validate(values, places, "the defaults").serve


def validate(values: dict[str, Any], places: dict[KeyPath, str], name: str) -> Recipe:
    """Check plain values against the schema; `places` says where each key came from.

    Raises:
        RecipeError: all faults, the first one first.
    """
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        faults = [_fault(detail, places, name) for detail in _one_a_key(error.errors(include_url=False))]
    else:
        return _consistent(recipe, places, name)
    first = faults[0]
    more = "".join(f"\n  also: {what} ({where})" for what, where, _ in faults[1:6])
    raise RecipeError(first[0] + more, where=first[1], advice=first[2])


def _consistent(recipe: Recipe, places: dict[KeyPath, str], name: str) -> Recipe:
    """The recipe, if its model can be built and exported: said now, not once all its data is made."""
    try:
        architecture = recipe.model.architecture(recipe.vocabulary.size, recipe.shards.context)
    except RecipeError as error:
        raise RecipeError(error.what, where=_place(("model",), places, name), advice=error.advice) from error
    for form, refused in REFUSED.items():
        reason = refused(architecture) if getattr(recipe.export, form) is not None else None
        if reason is not None:
            where = _place(("export", form), places, name)
            raise RecipeError(reason, where=where, advice="Set export to [huggingface], or choose another model.")
    return recipe


def lines_as_places(lines: Lines, name: str) -> dict[KeyPath, str]:
    """Line numbers as the text shown to the user."""
    return {key: f"{name}:{line}" for key, line in lines.items()}


def _override(values: dict[str, Any], places: dict[KeyPath, str], text: str) -> None:
    key, equals, value_text = text.partition("=")
    where = f"{_OVERRIDE}{text}"
    if not equals or not key:
        raise RecipeError("An override is written key.sub=value.", where=where, advice="Example: train.steps=200")
    path: KeyPath = tuple(int(part) if part.isdecimal() else part for part in key.strip().split("."))
    try:
        value = parse_value(value_text)
    except YAMLError as error:
        raise RecipeError("The override's value is not valid YAML.", where=where) from error
    node: Any = values
    for depth, part in enumerate(path[:-1]):
        node = _descend(node, part, where)
        places.setdefault(path[: depth + 1], where)
    if isinstance(node, list):
        if not isinstance(path[-1], int) or path[-1] >= len(node):
            raise RecipeError(f"{key!r} names no item of the list.", where=where)
        node[path[-1]] = value
    else:
        node[path[-1]] = value
    for known in [known for known in places if known[: len(path)] == path]:
        del places[known]
    places[path] = where


def _descend(node: Any, part: str | int, where: str) -> Any:
    if isinstance(node, list):
        if not isinstance(part, int) or part >= len(node):
            raise RecipeError(f"{part!r} names no item of the list.", where=where)
        return node[part]
    child = node.get(part)
    if child is None or isinstance(child, str):
        # A block that is absent, empty or a bare name ("schedule: wsd") becomes a block: {wsd: {...}}.
        child = node[part] = {} if child is None else {child: {}}
    if not isinstance(child, dict | list):
        raise RecipeError(f"{part!r} is a value, not a block, so nothing below it can be set.", where=where)
    return child


def _one_a_key(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """The faults without the branches of a choice in their keys, and one of those branches only.

    "any" or a list of licences: of a list with a wrong name pydantic also says that it is not the word "any", and of a
    wrong word that it is no list.
    """
    chosen: dict[KeyPath, ErrorDetails] = {}
    for detail in details:
        loc = tuple(part for part in detail["loc"] if isinstance(part, int) or "[" not in part)
        word = isinstance(detail["input"], str)
        if loc not in chosen or (detail["type"] == "literal_error") == word:
            chosen[loc] = {**detail, "loc": loc}
    return list(chosen.values())


def _fault(detail: ErrorDetails, places: dict[KeyPath, str], name: str) -> tuple[str, str, str | None]:
    """(what, where, advice) for one of pydantic's errors."""
    loc = tuple(detail["loc"])
    dotted = ".".join(str(part) for part in loc)
    where = _place(loc, places, name)
    if detail["type"] == "extra_forbidden":
        known = known_keys(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
        advice = f"Did you mean {near[0]!r}?" if near else None
        listed = f"Known here: {', '.join(known)}." if known else None
        return f"Unknown key {dotted!r}.", where, " ".join(part for part in (advice, listed) if part) or None
    if detail["type"] == "missing":
        meaning = _meaning(loc)
        return f"{dotted!r} is missing.", where, f"Give it: {meaning}." if meaning else None
    message = detail["msg"].removeprefix("Value error, ")
    advice = None
    if detail["type"] in ("model_type", "dict_type"):
        message = "this is a block of settings"
        advice = f"Write settings below `{loc[-1]}:`, or `{{}}` for the defaults." if loc else None
    of_several = detail["type"] == "value_error" and isinstance(detail["input"], dict | list | BaseModel)
    found = "" if of_several else f" (found {_shown(detail['input'])})"
    end = "" if message.endswith("?") and not found else "."
    return f"{dotted or 'The recipe'}: {message}{found}{end}", where, advice


def _place(loc: KeyPath, places: dict[KeyPath, str], name: str) -> str:
    """Where to look for a fault at `loc`: an override of it or below it, else the nearest line of the file."""
    overrides = [where for key, where in places.items() if key[: len(loc)] == loc and where.startswith(_OVERRIDE)]
    if overrides:
        return redact(overrides[-1])
    return redact(next((places[loc[:length]] for length in range(len(loc), 0, -1) if loc[:length] in places), name))


def _shown(value: Any) -> str:
    """A value as an error shows it: blocks by what they are, long texts by their beginning, credentials hidden."""
    if isinstance(value, dict | list | BaseModel):
        return "a list" if isinstance(value, list) else "a block"
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"the {type(value).__name__} {value}"
    text = redact(text)
    return text if len(text) <= 80 else text[:77] + "..."


def known_keys(loc: KeyPath) -> list[str]:
    """The keys the schema knows below `loc`, sorted; empty when `loc` is not a block."""
    return sorted({key for model in _models_at(loc) for key in model.model_fields})


def _meaning(loc: KeyPath) -> str | None:
    """What the schema says of the key at `loc`, in a line."""
    fields = (model.model_fields.get(str(loc[-1])) for model in _models_at(loc[:-1]))
    return next((field.description for field in fields if field is not None and field.description), None)


def _models_at(loc: KeyPath) -> list[type[BaseModel]]:
    models: list[type[BaseModel]] = [Recipe]
    for part in loc:
        if not isinstance(part, int):
            fields = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [found for field in fields for found in _models_in(field.annotation)]
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, list, tuple):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []
