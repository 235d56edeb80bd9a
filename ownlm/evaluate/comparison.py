"""Two evaluations side by side: which model is better on each suite, in a sentence, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ownlm.errors import EvaluationError
from ownlm.evaluate.results import Results
from ownlm.evaluate.scores.paired import Paired, compare


@dataclass(frozen=True)
class Comparison:
    """A and B on one suite.

    Attributes:
        suite: its name.
        all: on every problem that both were asked.
        languages: by language, where there are several.
        only_a: problems that A does better, in order.
        only_b: problems that B does better.
        warnings: what makes the comparison unfair: other data, other settings, other tools.
    """

    suite: str
    all: Paired
    languages: Mapping[str, Paired]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_results(a: Results, b: Results) -> list[Comparison]:
    """Every suite that both were measured by.

    Raises:
        EvaluationError: they share no suite, or no problem of one.
    """
    suites_a, suites_b = a.summary.get("suites") or {}, b.summary.get("suites") or {}
    shared = [name for name in suites_a if name in suites_b]
    if not shared:
        has = f"{', '.join(suites_a) or 'none'}; the other {', '.join(suites_b) or 'none'}"
        raise EvaluationError(
            f"The two were measured by no suite in common: one by {has}.",
            where=f"{a.folder}, {b.folder}",
            advice="Measure both with the same --suite.",
        )
    return [_compare(name, suites_a[name], suites_b[name], a, b) for name in shared]


def names_of(a: Results, b: Results) -> tuple[str, str]:
    """What to call the two; their folders tell them apart where their models have one name."""
    one, other = (str(results.summary["measured"]["name"]) for results in (a, b))
    if one != other:
        return one, other
    return f"{one} ({a.folder.name})", f"{other} ({b.folder.name})"


def _compare(name: str, a: Mapping[str, Any], b: Mapping[str, Any], of_a: Results, of_b: Results) -> Comparison:
    counts_a, counts_b = _counts(a), _counts(b)
    shared = [problem for problem in counts_a if problem in counts_b]
    shares = {problem: (_share(counts_a[problem]), _share(counts_b[problem])) for problem in shared}
    languages: dict[str, list[str]] = {}
    for problem in shared:
        languages.setdefault(a["by_problem"][problem]["language"], []).append(problem)
    return Comparison(
        suite=name,
        all=compare(counts_a, counts_b),
        languages={
            language: compare({one: counts_a[one] for one in some}, {one: counts_b[one] for one in some})
            for language, some in sorted(languages.items())
            if len(languages) > 1
        },
        only_a=tuple(problem for problem, (one, other) in shares.items() if one > other),
        only_b=tuple(problem for problem, (one, other) in shares.items() if one < other),
        warnings=tuple(_warnings(a, b, of_a, of_b, len(counts_a) + len(counts_b) - 2 * len(shared))),
    )


def _counts(suite: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {problem: (one["samples"], one["passed"]) for problem, one in suite["by_problem"].items()}


def _share(counts: tuple[int, int]) -> float:
    return counts[1] / counts[0]


def _warnings(a: Mapping[str, Any], b: Mapping[str, Any], of_a: Results, of_b: Results, alone: int) -> list[str]:
    found = []
    if a["facts"].get("sha256") != b["facts"].get("sha256"):
        found.append("The benchmark's files are not the same.")
    differ = [name for name in ("temperature", "top_p", "max_tokens") if a["settings"][name] != b["settings"][name]]
    found += [f"{name.replace('_', ' ')}: {a['settings'][name]} and {b['settings'][name]}." for name in differ]
    if alone:
        found.append(f"{alone} problems were asked of one of the two only, and left out.")
    tools_a, tools_b = (one.summary["environment"]["tools"] for one in (of_a, of_b))
    for language in sorted(a["languages"].keys() & b["languages"].keys()):
        if tools_a.get(language) != tools_b.get(language):
            found.append(f"{language} was run with {tools_a.get(language)} and with {tools_b.get(language)}.")
    return found
