"""Suites by name: ours, those of installed packages, and folders.

A package brings a suite by an entry point of the group `ownlm.suites`: a callable of settings and a cache folder
(or None) that gives a `Suite`. It is imported when the suite is opened, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ownlm.errors import EvaluationError, first_line
from ownlm.evaluate.suites.base import Suite
from ownlm.evaluate.suites.folder import SUITE_FILE, FolderSuite
from ownlm.evaluate.suites.humaneval import HumanEval
from ownlm.evaluate.suites.humaneval_x import HumanEvalX
from ownlm.evaluate.suites.infilling import KINDS, Infilling
from ownlm.evaluate.suites.mbpp import Mbpp
from ownlm.evaluate.suites.multipl_e import MultiplE
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.recipe.base import local_path

GROUP = "ownlm.suites"
Factory = Callable[[SuiteSettings, Path | None], Suite]

SUITES: dict[str, Factory] = {
    "humaneval": HumanEval,
    **{f"humaneval_infilling.{kind}": partial(Infilling, kind) for kind in KINDS},
    "multipl_e": MultiplE,
    "humaneval_x": HumanEvalX,
    "mbpp": partial(Mbpp, "mbpp"),
    "mbpp.all": partial(Mbpp, "mbpp.all"),
}
"""The suites that come with ownlm."""


def suite_names() -> list[str]:
    """The names of all suites there are: ours in their order, then those of installed packages, sorted."""
    return [*SUITES, *sorted(set(_plug_ins()) - set(SUITES))]


def open_suite(name: str, settings: SuiteSettings | None = None, cache: Path | None = None) -> Suite:
    """The suite of a name, or of a folder that has a suite.yaml. Its data is read when its problems are asked for.

    Args:
        name: one of `suite_names()`, or the folder's path.
        settings: where the data is and what of it is asked.
        cache: keeps what the hub gives; the user's cache folder when None.

    Raises:
        EvaluationError: there is no such suite, or the package that brings it cannot be used.
    """
    settings = SuiteSettings() if settings is None else settings
    if name in SUITES:
        return SUITES[name](settings, cache)
    folder = local_path(name)
    if (folder / SUITE_FILE).is_file():
        return FolderSuite(folder, settings)
    plug_ins = _plug_ins()
    if name in plug_ins:
        return _made(name, plug_ins[name], settings, cache)
    near = get_close_matches(name, suite_names(), 1)
    raise EvaluationError(
        f"There is no suite {name!r}" + (f"; did you mean {near[0]!r}?" if near else "."),
        advice=f"Suites are {', '.join(suite_names())}, or a folder with {SUITE_FILE} and problems.jsonl.",
    )


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _made(name: str, point: EntryPoint, settings: SuiteSettings, cache: Path | None) -> Suite:
    package = "a package" if point.dist is None else f"the package {point.dist.name} {point.dist.version}"
    try:
        suite: Suite = point.load()(settings, cache)
    except EvaluationError:
        raise
    except Exception as error:
        raise EvaluationError(
            f"The suite {name!r} of {package} cannot be opened: {type(error).__name__}: {first_line(error)}",
            where=point.value,
            advice="Repair or remove the package; docs/suites.md says what an entry point has to give.",
        ) from error
    return suite
