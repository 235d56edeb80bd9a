"""`open_model`: whoever is named, by one protocol. Light to import: what opens a model is imported when it is asked.

https://host/v1                    a server that speaks OpenAI's completions
.../step-00000400                  a training checkpoint, folder or URL
a folder                           a train artifact, an export artifact, a Hugging Face or CTranslate2 folder
recipe.yaml, or a run's name       the model that run trained
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ownlm.errors import EvaluationError, RecipeError
from ownlm.evaluate.models.base import Model
from ownlm.evaluate.models.settings import ModelSettings
from ownlm.recipe.base import local_path

if TYPE_CHECKING:
    from ownlm.evaluate.models.local import LocalModel

_STEP = re.compile(r"/step-\d+/?$")


def open_model(what: str, **settings: Any) -> Model:
    """The model that is named.

    Args:
        what: see above.
        settings: fields of `ModelSettings`.

    Raises:
        RecipeError: a setting is unknown or wrong.
        EvaluationError: there is no such model, or it cannot be asked what is needed.
        ArtifactError: it is damaged.
        InputError: there is no such run, or it has not come so far.
        ServerError: the server does not answer.
    """
    try:
        chosen = ModelSettings.model_validate(settings)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise RecipeError(f"A model's setting is wrong: {field}: {first['msg']}.", where=what) from None
    if re.match(r"(?i)https?://", what) and not _STEP.search(what):
        from ownlm.evaluate.models.server import open_server

        return open_server(what, chosen)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", what):
        from ownlm.evaluate.models.folders import of_weights
        from ownlm.evaluate.models.trained import load_checkpoint

        return of_weights(load_checkpoint(what, chosen), chosen)
    path = local_path(what)
    if path.is_dir():
        from ownlm.evaluate.models.folders import open_folder

        return open_folder(path, chosen)
    return _of_run(path, what, chosen)


def _of_run(path: Path, what: str, settings: ModelSettings) -> LocalModel:
    """The trained model of a recipe's run, or of a run by its name."""
    from ownlm.evaluate.models.folders import open_folder
    from ownlm.pipeline.store import Store
    from ownlm.recipe.load import load_recipe
    from ownlm.runs import artifact_of, read_record

    if not path.is_file() and ("/" in what or path.suffix in (".yaml", ".yml")):
        raise EvaluationError(
            "There is no such folder or recipe.",
            where=what,
            advice="name a train artifact, a checkpoint (.../step-N), an exported folder, a recipe, a run, or a server",
        )
    store = Store(local_path(settings.home))
    name = load_recipe(path).name if path.is_file() else what
    train = artifact_of(store, read_record(store, name), "train")
    return open_folder(train.path, settings.model_copy(update={"name": settings.name or name}))
