"""Do the suites judge rightly: references, empty answers and mutated references of a benchmark, run and counted.

    python benchmarks/references.py ../shared/benchmarks                              # every suite that has references
    python benchmarks/references.py ../shared/benchmarks --suite humaneval_x --languages rust,go --limit 20

References have to pass, empty answers and mutants to fail; what does otherwise is named, to be explained in
docs/suites.md. A mutant is the reference with its first operator, truth value or number changed: some mean the same.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from pathlib import Path

from ownlm.evaluate.judge import Judge
from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.suites.base import Problem, Suite
from ownlm.evaluate.suites.registry import open_suite
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.pipeline.progress import SilentProgress

SUITES = (
    "humaneval",
    "humaneval_infilling.single_line",
    "humaneval_infilling.multi_line",
    "humaneval_infilling.random_span",
    "humaneval_infilling.random_span_light",
    "mbpp.all",
    "humaneval_x",
)
SWAPS = (
    (" == ", " != "), (" <= ", " > "), (" >= ", " < "), (" < ", " >= "), (" > ", " <= "), (" + ", " - "),
    (" - ", " + "), (" % ", " + "), ("True", "False"), ("False", "True"), ("true", "false"), ("false", "true"),
    (" and ", " or "), (" && ", " || "), ("+=", "-="), ("==", "!="), ("<=", ">"), ("[0]", "[1]"), ("[::-1]", "[::1]"),
)  # fmt: skip
COMMENTS = ("#", "//", "/*", "*")


def mutated(reference: str) -> str | None:
    """One thing changed; None where there is nothing to change."""
    lines = (line for line in reference.split("\n") if not line.strip().startswith(COMMENTS))
    code = "\n".join(lines)
    for old, new in SWAPS:
        if old in code:
            return code.replace(old, new, 1)
    number = re.search(r"\b\d+\b", code)
    return code[: number.start()] + str(int(number[0]) + 1) + code[number.end() :] if number else None


def answer(suite: Suite, problem: Problem, kind: str) -> str | None:
    """What is run; None where the problem gives none of this kind."""
    reference = problem.reference or ""
    made = {"reference": reference, "empty": "", "mutant": mutated(reference)}[kind]
    return None if made is None else suite.trim(problem, made)


def count(suite: Suite, problems: list[Problem], kind: str) -> None:
    """Run one answer a problem, and print what came of them."""
    given = [(problem, text) for problem in problems if (text := answer(suite, problem, kind)) is not None]
    started = time.perf_counter()
    with SilentProgress().task("programs") as task:
        verdicts = Judge(open_sandbox()).judge([suite.source(problem, text) for problem, text in given], task)
    seconds = time.perf_counter() - started
    for language in dict.fromkeys(problem.language for problem, _ in given):
        own = [(one.id, verdict) for (one, _), verdict in zip(given, verdicts, strict=True) if one.language == language]
        odd = [f"{name} ({verdict.status})" for name, verdict in own if verdict.passed != (kind == "reference")]
        found = Counter(verdict.status for _, verdict in own)
        print(f"{suite.name:38} {language:11} {kind:9} {len(own):5} {dict(found)}", flush=True)
        if odd:
            print(f"{'':38} otherwise: {', '.join(odd[:20])}{' ...' if len(odd) > 20 else ''}")
    print(f"{'':38} {len(given) / seconds:.1f} programs/s", flush=True)


def main() -> None:
    """Count for every suite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", type=Path)
    parser.add_argument("--suite", nargs="*", default=SUITES)
    parser.add_argument("--languages", help="comma-separated; all by default")
    parser.add_argument("--kinds", default="reference,empty,mutant")
    parser.add_argument("--limit", type=int, help="problems of a language")
    given = parser.parse_args()
    languages = given.languages.split(",") if given.languages else None
    for name in given.suite:
        settings = SuiteSettings(path=str(given.benchmarks), languages=languages, limit=given.limit)
        suite = open_suite(name, settings)
        problems = [problem for problem in suite.problems() if problem.reference is not None]
        for kind in given.kinds.split(","):
            count(suite, problems, kind)


if __name__ == "__main__":
    main()
