"""Verdicts: each kind, each distinct program once, time-outs again alone, tools first; HumanEval as others judge it."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ownlm.errors import DependencyError, EvaluationError, SandboxError
from ownlm.evaluate import judge as judging
from ownlm.evaluate.judge import Judge, conclude
from ownlm.evaluate.runners.base import Source, Verdict
from ownlm.evaluate.runners.registry import runner
from ownlm.evaluate.sandbox.program import Ended, How, Program, Sandbox
from ownlm.pipeline.progress import SilentProgress

HUMANEVAL = Path("../shared/benchmarks/HumanEval.jsonl.gz")


@pytest.fixture(scope="module", params=["warm", "cold"])
def judge(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Judge]:
    made = Judge(sandbox, workers=2, warm=request.param == "warm")
    yield made
    made.close()


def judged(judge: Judge, sources: Sequence[Source]) -> list[Verdict]:
    with SilentProgress().task("tests", len(sources), "programs") as task:
        return judge.judge(sources, task)


def python(*texts: str) -> list[Source]:
    return [Source("python", text) for text in texts]


@dataclass
class Scripted:
    """A sandbox whose programs end as their text says, and that remembers who ran beside whom."""

    ran: list[str] = field(default_factory=list)
    beside: dict[str, int] = field(default_factory=dict)
    running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, program: Program) -> list[Ended]:
        text = program.files["program.py"].decode()
        with self.lock:
            self.ran.append(text)
            self.running += 1
        try:
            return [self.end(text, program.steps[0].stdin)]
        finally:
            with self.lock:
                self.beside[text] = self.running
                self.running -= 1

    def end(self, text: str, nonce: bytes) -> Ended:
        if text == "broken":
            raise SandboxError("containment failed")
        slow = text == "slow" or (text == "slow once" and self.ran.count(text) == 1)
        how: How = "cpu" if slow else "exit"
        return Ended(how, 0, b"\n" + nonce + b"\n", b"", 1.0, 1.0)

    def describe(self) -> dict[str, str]:
        return {}


def test_the_verdicts(judge: Judge) -> None:
    texts = {
        "assert 1 + 1 == 2": "passed",
        "assert 1 + 1 == 3": "failed",
        "exit(0)": "no_end",
        "import os; os._exit(0)": "no_end",
        "def f(:": "failed",
        "print('x' * 10**6)": "too_much_output",
        "hold = [bytearray(2**20) for _ in range(10**5)]": "out_of_memory",
    }
    assert dict(zip(texts, (one.status for one in judged(judge, python(*texts))), strict=True)) == texts


def test_what_was_printed_is_kept_without_the_nonce(judge: Judge) -> None:
    (good, bad) = judged(judge, python("print('said')", "print('a' * 9000)\nraise ValueError('why')"))
    assert good.output == "said"
    assert bad.output.startswith("a" * judging.OUTPUT)
    assert bad.output.endswith("ValueError: why")
    assert len(bad.output) < 3 * judging.OUTPUT


@pytest.mark.parametrize("text", ["\udc80 = 1", "print('\\udc80')", "\x00", "é = 'ü'; print(é)", ""])
def test_any_text_has_a_verdict(judge: Judge, text: str) -> None:
    assert judged(judge, python(text))[0].status in ("passed", "failed")


def test_java_is_judged_warm_as_cold(judge: Judge) -> None:
    if runner("java").version() is None:
        pytest.skip("no Java here: " + " ".join(runner("java").packages))
    main = "public class Main { public static void main(String[] names) { %s } }"
    bodies = ["", "throw new AssertionError();", "System.exit(0);", "missing();"]
    verdicts = judged(judge, [Source("java", main % body) for body in bodies])
    assert [one.status for one in verdicts] == ["passed", "failed", "no_end", "compile_error"]


def test_each_distinct_source_runs_once_and_order_is_kept() -> None:
    sandbox = Scripted()
    sources = python(*"abacabad")
    with SilentProgress().task("tests", len(sources), "programs") as task:
        verdicts = Judge(sandbox, workers=3).judge(sources, task)
    assert sorted(sandbox.ran) == list("abcd")
    assert [one.passed for one in verdicts] == [True] * 8
    assert verdicts[0] == verdicts[2]


def test_a_time_out_runs_again_alone_and_says_so() -> None:
    sandbox = Scripted()
    sources = python("slow", "a", "slow once", "b", "slow", "c")
    verdicts = judged(Judge(sandbox, workers=4), sources)
    assert [one.status for one in verdicts] == ["timed_out", "passed", "passed", "passed", "timed_out", "passed"]
    assert [one.retried for one in verdicts] == [True, False, True, False, True, False]
    assert sandbox.ran[-2:] == ["slow", "slow once"]
    assert [sandbox.beside["slow"], sandbox.beside["slow once"]] == [1, 1]
    assert len(sandbox.ran) == 7


def test_tools_are_looked_for_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(runner("ruby")), "version", lambda self: None)
    sandbox = Scripted()
    with pytest.raises(DependencyError, match=r"ruby.*\n.*apt-get install .*ruby"):
        judged(Judge(sandbox), [*python("a"), Source("ruby", "1")])
    with pytest.raises(EvaluationError, match="cobol"):
        judged(Judge(sandbox), [*python("a"), Source("cobol", "1")])
    assert sandbox.ran == []


def test_a_sandbox_that_fails_ends_the_work_and_is_no_verdict() -> None:
    with pytest.raises(SandboxError, match="containment failed"):
        judged(Judge(Scripted(), workers=2), python("a", "broken", *map(str, range(50))))


@pytest.mark.parametrize(
    ("how", "code", "printed", "steps", "status"),
    [
        ("exit", 0, "N", 1, "passed"),
        ("exit", 0, "", 1, "no_end"),
        ("exit", 1, "N", 1, "failed"),
        ("signal", 11, "N", 1, "failed"),
        ("exit", 1, "", 2, "compile_error"),
        ("signal", 11, "", 2, "compile_error"),
        ("cpu", 9, "N", 1, "timed_out"),
        ("wall", 9, "", 2, "timed_out"),
        ("memory", 9, "N", 1, "out_of_memory"),
        ("output", 9, "N", 1, "too_much_output"),
    ],
)
def test_how_a_step_ends_is_a_verdict(how: How, code: int, printed: str, steps: int, status: str) -> None:
    found = conclude([Ended(how, code, printed.encode(), b"", 0.5, 1.0)], steps, "N")
    assert (found.status, found.output, found.cpu_seconds) == (status, "", 0.5 if steps == 1 else 0.0)


def problems() -> list[dict[str, str]]:
    if not HUMANEVAL.exists():
        pytest.skip(f"no {HUMANEVAL} here")
    with gzip.open(HUMANEVAL, "rt") as file:
        return [json.loads(line) for line in file]


def source(problem: dict[str, str], completion: str) -> Source:
    check = f"{problem['test']}\ncheck({problem['entry_point']})"
    return Source("python", f"{problem['prompt']}{completion}\n{check}")


def test_humaneval_references_pass_and_empty_and_mutated_ones_fail(sandbox: Sandbox) -> None:
    judge, all_ = Judge(sandbox), problems()
    try:
        right = judged(judge, [source(one, one["canonical_solution"]) for one in all_])
        empty = judged(judge, [source(one, "    pass\n") for one in all_])
        mutated = judged(
            judge, [source(one, f"    if True: return 12345\n{one['canonical_solution']}") for one in all_]
        )
    finally:
        judge.close()
    assert Counter(one.status for one in right) == {"passed": 164}
    assert Counter(one.status for one in empty) == {"failed": 164}
    assert Counter(one.status for one in mutated) == {"failed": 164}


def spin() -> None:
    while True:
        pass


def test_a_loaded_machine_changes_no_verdict(sandbox: Sandbox) -> None:
    """Half of its CPU time is allowed; beside eight spinning processes it takes many times its time by the clock."""
    busy = "import time\nwhile time.process_time() < 1: pass\n"
    sources = python(busy, busy + "assert False", "assert True")
    loads = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(8)]
    judge = Judge(sandbox, workers=3)
    try:
        for load in loads:
            load.start()
        assert [one.status for one in judged(judge, sources)] == ["passed", "failed", "passed"]
    finally:
        judge.close()
        for load in loads:
            load.kill()
            load.join()
