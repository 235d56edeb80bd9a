"""From the words of the command line to settings of suites, of a model, of trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.error import YAMLError

from ownlm.errors import RecipeError
from ownlm.evaluate.config import SuiteRun
from ownlm.pipeline.tracking.config import MlflowConfig, TrackConfig, WandbConfig
from ownlm.recipe.yaml_file import parse_value


def suites_of(names: Sequence[str], asked: Mapping[str, Any]) -> dict[str, SuiteRun]:
    """The settings of each suite: the same for all of them.

    Args:
        names: of suites.
        asked: fields of `SuiteRun`; k and languages as texts with commas.

    Raises:
        RecipeError: a value has no meaning.
    """
    values = dict(asked)
    try:
        values["k"] = [int(one) for one in str(values["k"]).split(",")]
    except ValueError as error:
        raise RecipeError("--k takes numbers with commas between.", where=str(asked["k"]), advice="--k 1,10") from error
    if values["languages"] is not None:
        values["languages"] = [one.strip() for one in values["languages"].split(",")]
    try:
        run = SuiteRun.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in first["loc"]) or "command line"
        raise RecipeError(f"{what[0].upper()}{what[1:]}.", where=where) from error
    return dict.fromkeys(names, run)


def settings_of(words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as settings; numbers and yes or no are YAML's, everything else is text.

    Raises:
        RecipeError: a word is not of that form.
    """
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not name or not equals:
            advice = "After the model come its settings, e.g. engine=ctranslate2; suites are named by --suite."
            raise RecipeError("A setting is written name=value.", where=name, advice=advice)
    return {name: _value(text) for name, _, text in pairs}


def tracking_of(*, mlflow: bool, mlflow_uri: str | None, wandb: bool) -> TrackConfig:
    """Where figures go as well.

    Raises:
        RecipeError: the address is none.
    """
    try:
        return TrackConfig(
            mlflow=MlflowConfig(uri=mlflow_uri) if mlflow or mlflow_uri else None,
            wandb=WandbConfig() if wandb else None,
        )
    except ValidationError as error:
        raise RecipeError("This is no address of an MLflow server.", advice=error.errors()[0]["msg"]) from error


def _value(text: str) -> Any:
    try:
        value = parse_value(text)
    except YAMLError:
        return text
    return value if isinstance(value, bool | int | float) else text
