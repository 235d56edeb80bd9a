"""The evaluate stage's part `suites`: benchmarks whose answers are run, of the model just trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ownlm.data.sources.index import combine
from ownlm.evaluate.config import EvaluateConfig
from ownlm.recipe.base import local_path

if TYPE_CHECKING:
    from ownlm.evaluate.measure import Prepared
    from ownlm.pipeline.stage import StageContext
    from ownlm.recipe.schema import Recipe


def run_suites(context: StageContext, config: EvaluateConfig) -> dict[str, Any]:
    """Carry the suites out, write their samples and the browser of answers.

    Returns:
        `measured`, `suites`, `environment`, as `measure` gives them.

    Raises:
        OwnlmError: see `prepare` and `measure`.
    """
    from ownlm.evaluate.measure import curve_steps, graded, measure
    from ownlm.evaluate.models.open import open_model
    from ownlm.evaluate.report_answers import write_answers
    from ownlm.evaluate.report_suites import ANSWERS
    from ownlm.evaluate.results import write_samples

    prepared = _prepared(config, context.workers, context.cache)
    train, vocabulary = (str(context.inputs[name].path) for name in ("train", "vocabulary"))
    model = open_model(train, vocabulary=vocabulary)
    summary, samples = measure(prepared, model, context.scratch / "suites", context.progress)
    if config.likelihood is not None:
        summary["likelihood"] = graded(prepared, model, config.likelihood, context.progress, must=True)
    write_samples(context.out, samples)
    write_answers(context.out / "report" / ANSWERS, model.name, samples, prepared.problems)
    context.metrics.rewind(0)
    for k, values in curve_steps(summary["suites"]).items():
        context.metrics.log(k, values)
    return summary


def check_suites(recipe: Recipe, cache: Path | None) -> None:
    """See that the data, the tools of every language and containment are there: said before hours of training.

    Raises:
        OwnlmError: see `prepare`.
    """
    if recipe.evaluate.suites is not None:
        _prepared(recipe.evaluate, 1, cache)


def suites_fingerprint(config: EvaluateConfig, cache: Path | None) -> str:
    """A hash of the benchmarks' contents, and of the conventions they are asked by.

    Raises:
        EvaluationError: data is missing or damaged, or a suite unknown.
    """
    from ownlm.evaluate.suites.registry import open_suite

    facts = {name: open_suite(name, run, cache).facts for name, run in (config.suites or {}).items()}
    return combine(
        "suites", [(name, *(f"{key}={found[key]}" for key in sorted(found))) for name, found in facts.items()]
    )


def not_kept_out(recipe: Recipe) -> list[str]:
    """A sentence for each suite whose data decontamination does not keep out of what the model is trained on."""
    rule = recipe.clean.decontamination
    kept_out = [] if rule is None else [local_path(path).resolve() for path in rule.paths]
    said = []
    for name, run in (recipe.evaluate.suites or {}).items():
        place = None if run.path is None else local_path(run.path).resolve()
        if place is None or not any(place == one or one in place.parents for one in kept_out):
            where = run.path or run.dataset or "its own data"
            said.append(
                f"{name} is measured on {where}, which clean.decontamination.paths does not list: "
                "its answers may be in the training data"
            )
    return said


def _prepared(config: EvaluateConfig, workers: int, cache: Path | None) -> Prepared:
    from ownlm.evaluate.measure import prepare

    return prepare(config.suites or {}, unsafe=config.unsafe, workers=workers, cache=cache)
