"""`ownlm train sweep`: the learning rate of a wide model, found on narrow ones and carried over by muP.

    recipe ─► data stages, made or found ─► a proxy for each rate and seed, each an artifact ─► parabola ─► overrides

A proxy that is made already is found again, so a sweep that was stopped goes on, and one with more rates adds to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ownlm.errors import RecipeError, TrainingError
from ownlm.flow import stages_of
from ownlm.model.config import SIZES, SizeName
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.progress import Progress, format_count
from ownlm.pipeline.run import Runner
from ownlm.pipeline.stage import Stage
from ownlm.pipeline.store import Store
from ownlm.recipe.schema import Recipe
from ownlm.runs import recipe_text
from ownlm.train.planning.proxy import carried_over, narrowed, overrides, proxy_training
from ownlm.train.planning.rates import Choice, Rate, Trial, choose

BEHIND = ("train", "evaluate", "export")
"""Stages behind the shards."""


@dataclass(frozen=True)
class RateSweep:
    """What was tried, and what came of it.

    Attributes:
        recipe: of the wide model.
        proxy: recipe of the narrow one.
        choice: what the runs say.
        measured: what was compared: "held-out bits per byte", or of the training text if nothing is held out.
        settings: dotted overrides that use it.
    """

    recipe: Recipe
    proxy: Recipe
    choice: Choice
    measured: str
    settings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What the figures say, in words."""
        choice = self.choice
        how = "the minimum of the parabola" if choice.fitted else "the lowest of those tried; no parabola fits"
        words = f"Use a peak learning rate of {choice.lr:g}: {how}."
        if choice.edge is not None:
            beyond = "lower" if choice.edge == "lowest" else "higher"
            words += f" {choice.best:g} is the {choice.edge} rate tried: try {beyond} ones, too."
        alike = [f"{rate.lr:g}" for rate in choice.rates if rate.alike]
        if choice.noise is not None and len(alike) > 1:
            words += f" {', '.join(alike)} cannot be told apart: seeds differ by {choice.noise:.3g}."
        return words

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "run": self.recipe.name,
            "proxy": self.proxy.model.model_dump(mode="json", exclude_none=True),
            "measured": self.measured,
            "rates": [vars(rate) for rate in self.choice.rates],
            "noise": self.choice.noise,
            "lr": self.choice.lr,
            "fitted": self.choice.fitted,
            "edge": self.choice.edge,
            "overrides": list(self.settings),
        }


def size_of(name: str) -> SizeName:
    """A named size.

    Raises:
        RecipeError: there is none of that name.
    """
    found = next((size for size in SIZES if size == name), None)
    if found is None:
        raise RecipeError(f"no size is called {name!r}", where="--proxy-size", advice=f"one of: {', '.join(SIZES)}")
    return found


def rates_of(text: str) -> list[float]:
    """The rates of a list such as "1e-3,2e-3", ascending.

    Raises:
        RecipeError: one is no learning rate, or there are fewer than two.
    """
    found = set()
    for word in text.split(","):
        try:
            rate = float(word)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1:
            raise RecipeError(
                f"{word.strip()!r} is no learning rate",
                where="--lrs",
                advice="give rates above 0 and up to 1 with commas between them, e.g. 1e-3,2e-3,4e-3,8e-3",
            )
        found.add(rate)
    if len(found) < 2:
        raise RecipeError("a sweep needs at least two rates", where="--lrs", advice="e.g. 1e-3,2e-3,4e-3,8e-3")
    return sorted(found)


def sweep(
    recipe: Recipe,
    store: Store,
    lrs: Sequence[float],
    *,
    size: SizeName,
    steps: int,
    seeds: int,
    workers: int,
    progress: Progress,
    told: Callable[[str], None] = lambda line: None,
) -> RateSweep:
    """Train the proxies that are not made yet, and choose.

    Args:
        recipe: of the wide model.
        store: where artifacts are.
        lrs: rates to try.
        size: whose width the proxy has.
        steps: of each proxy.
        seeds: proxies at each rate.
        workers: processes a map may use.
        progress: where long work is shown.
        told: called with a line about each proxy.

    Raises:
        RecipeError: the model is not wider than the proxy.
        TrainingError: all rates diverged.
        OwnlmError: what a data stage, or the training of a proxy, ends with.
    """
    model = narrowed(recipe.model, size)
    narrow = recipe.model_copy(update={"model": model})
    runner = Runner(store, recipe_text(narrow), workers, progress, engine=recipe.lake.engine)
    data = [stage for stage in stages_of(narrow) if stage.name not in BEHIND]
    runner.run(data)
    made: dict[tuple[float, int], Artifact | None] = {}
    for lr in lrs:
        for seed in range(seeds):
            settings = proxy_training(recipe.train, steps, lr, seed)
            proxy = _stage(narrow.model_copy(update={"train": settings}), f"train-{lr:g}-{seed}")
            made[lr, seed] = artifact = _trained(runner, data, proxy)
            told(f"lr {lr:g}, seed {settings.seed}: {_words(artifact)}")
    key = _compared([artifact for artifact in made.values() if artifact is not None])
    choice = choose([Trial(lr, seed, _loss(artifact, key)) for (lr, seed), artifact in made.items()])
    mup = carried_over(recipe.model, model)
    return RateSweep(recipe, narrow, choice, MEASURED[key], tuple(overrides(recipe.train.optimizer, choice.lr, mup)))


MEASURED = {
    "heldout_bits_per_byte": "held-out bits per byte",
    "bits_per_byte": "bits per byte of the training text, as nothing is held out",
}


def _stage(recipe: Recipe, name: str) -> Stage:
    return replace(next(stage for stage in stages_of(recipe) if stage.name == "train"), name=name)


def _trained(runner: Runner, data: Sequence[Stage], proxy: Stage) -> Artifact | None:
    """The proxy's artifact; None when it diverged."""
    try:
        return runner.run([*data, proxy])[proxy.name].artifact
    except TrainingError as error:
        if "not a number" in error.what:
            return None
        raise


def _compared(made: Sequence[Artifact]) -> str:
    """The metric all of them have."""
    held = all(one.manifest.metrics.get("heldout_bits_per_byte") is not None for one in made)
    return "heldout_bits_per_byte" if held else "bits_per_byte"


def _loss(artifact: Artifact | None, key: str) -> float | None:
    value = None if artifact is None else artifact.manifest.metrics[key]
    return float(value) if isinstance(value, int | float) else None


def _words(artifact: Artifact | None) -> str:
    if artifact is None:
        return "diverged"
    return f"{_loss(artifact, _compared([artifact])):.4f} bits per byte"


COLUMNS = ("lr", "mean", "runs", "")


def print_sweep(out: Console, swept: RateSweep) -> None:
    """A table, what it says, and the settings to use."""
    proxy = swept.proxy.model.architecture(swept.recipe.vocabulary.size, swept.recipe.shards.context)
    shape = f"{format_count(proxy.parameters)} parameters, {proxy.d_model} wide, {proxy.layers} layers"
    out.print(Text(f"proxy of {swept.recipe.name}: {shape}; {swept.measured}"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name else "left")
    for rate in swept.choice.rates:
        table.add_row(*map(Text, cells(swept.choice, rate)))
    out.print(table)
    out.print(Text(swept.sentence), soft_wrap=True)
    out.print(Text(f"settings  {' '.join(swept.settings)}"), soft_wrap=True)


def cells(choice: Choice, rate: Rate) -> list[str]:
    """A row of the table."""
    mean = "diverged" if rate.mean is None else f"{rate.mean:.4f}"
    mark = "lowest" if rate.lr == choice.best else "as good" if rate.alike else ""
    return [f"{rate.lr:g}", mean, " ".join(f"{loss:.4f}" for loss in rate.losses), mark]
