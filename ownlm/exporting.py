"""`ownlm export`: a trained model in another form, at any time after its run."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from ownlm.arguments import DEFAULT_HOME, AsJson, Home
from ownlm.errors import InputError, RecipeError, StorageError
from ownlm.terminal import Terminal

if TYPE_CHECKING:
    from ownlm.export.config import ExportConfig
    from ownlm.export.forms import Source

out = Terminal()
err = Terminal(stderr=True)


class Form(StrEnum):
    """What a model can be written as."""

    huggingface = "huggingface"
    ctranslate2 = "ctranslate2"
    gguf = "gguf"
    triton = "triton"


_NEXT = {
    Form.huggingface: "vllm serve {0}/huggingface",
    Form.ctranslate2: "ownlm serve --watch {0}",
    Form.gguf: "llama-server -m {0}/gguf/model.gguf",
    Form.triton: "tritonserver --model-repository={0}/triton/python",
}


def export_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A run, a recipe, a train or export artifact, a checkpoint, a Hugging Face folder."
        ),
    ],
    to: Annotated[list[Form], typer.Option("--to", help="The form (repeatable).")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where the forms go; below the home folder if left out.")
    ] = None,
    quantization: Annotated[
        str | None, typer.Option(help="How weights are stored: f32, f16, q8_0 for gguf; float32, int8, ... elsewhere.")
    ] = None,
    as_json: AsJson = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Write a trained model in the form another program reads, and prove that it says the same."""
    from ownlm.export.forms import write_forms
    from ownlm.export.report import write_report
    from ownlm.export.run import headline
    from ownlm.pipeline.progress import progress_for

    config = _config(to, quantization)
    name, source = _source(model, home)
    target = folder or home / "exports" / name
    _require_free(target, to)
    parities = write_forms(source, config, target, progress_for(err if as_json else out))
    write_report(target, parities, source.decoder.architecture)
    figures = headline(target, parities)
    if as_json:
        out.print_json(json.dumps({"out": str(target), **figures}))
        return
    for form in to:
        equal, agreement = figures[f"{form}.prompts_equal"], parities[form].agreement
        out.print(f"  {form:<12} {target / form}", markup=False, soft_wrap=True)
        out.print(f"  {'':<12} continued alike: {equal} prompts, {100 * agreement:.1f} % of tokens", markup=False)
        out.print(f"  {'':<12} next: {_NEXT[form].format(target)}", markup=False, soft_wrap=True)


def _config(forms: list[Form], quantization: str | None) -> ExportConfig:
    from ownlm.export.config import ExportConfig

    given = {} if quantization is None else {"quantization": quantization}
    off = dict.fromkeys(ExportConfig.parts)
    asked = {str(form): {} if form is Form.huggingface else given for form in forms}
    try:
        return ExportConfig.model_validate({**off, **asked})
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise RecipeError(f"There is no such quantization: {said}.", where=f"--quantization {quantization}") from None


def _require_free(target: Path, forms: list[Form]) -> None:
    for form in forms:
        if (target / form).exists():
            raise StorageError(
                f"There is a {form} folder already.",
                where=target / form,
                advice="Give another folder (--out), or move this one away.",
            )


def _source(what: str, home: Path) -> tuple[str, Source]:
    """The model that is named, and what its folder is called."""
    from ownlm.evaluate.models.settings import ModelSettings
    from ownlm.evaluate.models.trained import Trained, load_artifact, load_checkpoint
    from ownlm.export.forms import Source
    from ownlm.export.run import packed_in
    from ownlm.model.load import ARCHITECTURE_FILE
    from ownlm.pipeline.artifact import MANIFEST, read_artifact
    from ownlm.pipeline.store import Store
    from ownlm.recipe.base import local_path
    from ownlm.recipe.load import load_recipe
    from ownlm.runs import artifact_of, read_record
    from ownlm.train.checkpoint.description import DESCRIPTION as CHECKPOINT

    settings, path = ModelSettings(home=str(home)), local_path(what)

    def of(name: str, trained: Trained, folder: Path | None = None) -> tuple[str, Source]:
        artifact = read_artifact(folder) if folder is not None and (folder / MANIFEST).is_file() else None
        packed = {} if artifact is None else packed_in(artifact)
        return name, Source(trained.decoder, trained.vocabulary, not trained.fills, packed)

    if "://" in what or (path / CHECKPOINT).is_file():
        return of(path.name, load_checkpoint(what, settings))
    if (path / ARCHITECTURE_FILE).is_file():
        return of(path.name, load_artifact(path, settings), path)
    if path.is_dir():
        return path.name, _of_huggingface(path)
    store = Store(home)
    record = read_record(store, load_recipe(path).name if path.is_file() else what)
    train = artifact_of(store, record, "train").path
    return of(record.name, load_artifact(train, settings), train)


def _of_huggingface(folder: Path) -> Source:
    from ownlm.export.description import DESCRIPTION
    from ownlm.export.forms import Source
    from ownlm.model.huggingface import load_huggingface

    inner = folder if (folder / "config.json").is_file() else folder / "huggingface"
    if not (inner / "config.json").is_file():
        raise InputError(
            "There is no model in this folder that can be exported.",
            where=folder,
            advice="Name a run, a train artifact, a checkpoint (.../step-N), or a Hugging Face folder.",
        )
    beside = sorted(inner.parent.glob(f"*/{DESCRIPTION}")) if inner.name == "huggingface" else []
    described = next((file for file in (inner / DESCRIPTION, *beside) if file.is_file()), None)
    said = {} if described is None else json.loads(described.read_text(encoding="utf-8"))
    packed = {name: said[name] for name in ("pack", "repository_names") if name in said}
    return Source(load_huggingface(inner), inner, bool(said.get("fill_in_the_middle", True)), packed)
