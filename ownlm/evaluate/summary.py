"""From samples to the figures of results.json: by suite, by language, by problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from ownlm.evaluate.execution import Asked
from ownlm.evaluate.results import Sample
from ownlm.evaluate.scores.tally import Tally, by_language, curve, ends_of, mean_pass_at_k


def summarize(asked: Asked, samples: Sequence[Sample]) -> dict[str, Any]:
    """The figures of one suite.

    Returns:
        facts: of the suite (data, hash, conventions)
        settings: how the model was asked
        problems, samples: how many
        pass_at_k: k -> {value, interval_95}, bootstrap over problems
        ends: status -> answers
        unfinished: answers that met their length's limit
        cut: answers to prompts that did not fit into the context
        languages: language -> {problems, samples, pass_at_k, ends}
        by_problem: problem -> {language, samples, passed, ends}
    """
    tallies = tally(samples)
    run = asked.run
    return {
        "facts": dict(asked.suite.facts),
        "settings": {
            "samples": run.samples,
            "temperature": run.temperature,
            "top_p": run.top_p,
            "k": run.k,
            "max_tokens": asked.max_tokens,
            "seed": run.seed,
            "languages": run.languages,
            "limit": run.limit,
        },
        **_figures(list(tallies.values()), asked),
        "unfinished": sum(sample.finish == "length" for sample in samples),
        "cut": sum(sample.cut for sample in samples),
        "languages": {language: _figures(some, asked) for language, some in by_language(tallies).items()},
        "by_problem": {
            problem: {
                "language": one.language,
                "samples": one.samples,
                "passed": one.passed,
                "ends": ends_of([one]),
            }
            for problem, one in tallies.items()
        },
    }


def tally(samples: Sequence[Sample]) -> dict[str, Tally]:
    """The samples of one suite, counted by problem, in the order problems come up."""
    tallies: dict[str, Tally] = {}
    for sample in samples:
        tallies.setdefault(sample.problem, Tally(sample.language)).ends[sample.status] += 1
    return tallies


def headline(results: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The few figures of each suite that stand for the rest: what trackers and a run's index show."""
    figures: dict[str, JsonValue] = {}
    for name, suite in results.get("suites", {}).items():
        for k in suite["settings"]["k"]:
            figures[f"{name}.pass_at_{k}"] = suite["pass_at_k"][str(k)]["value"]
        figures[f"{name}.timed_out"] = suite["ends"].get("timed_out", 0)
        if len(suite["languages"]) > 1:
            for language, found in suite["languages"].items():
                figures[f"{name}.{language}.pass_at_1"] = found["pass_at_k"]["1"]["value"]
    for name, found in results.get("likelihood", {}).items():
        figures[f"{name}.reference_bits_per_byte"] = found["bits_per_byte"]
        for kind in ("others", "mutations"):
            if kind in found:
                figures[f"{name}.{kind}.accuracy"] = found[kind]["accuracy"]
    return figures


def _figures(tallies: Sequence[Tally], asked: Asked) -> dict[str, Any]:
    steps = sorted({1, *curve(asked.run.samples, asked.run.k)})
    return {
        "problems": len(tallies),
        "samples": sum(one.samples for one in tallies),
        "pass_at_k": {str(k): mean_pass_at_k(tallies, k, asked.run.seed).plain() for k in steps},
        "ends": ends_of(tallies),
    }
