"""Test programs in, verdicts out.

    sources ─ distinct ─► workers ─► warm interpreter (Python)           ─► verdicts
                  │          ├─────► warm compiler, then sandbox (Java)
                  │          └─────► sandbox (all others)
                  └── what met a time limit ─► once more, alone ─► verdict, marked

A program passes when it exits with 0 and its runner's nonce is in what it printed: a text made for each run that only
the end of the tests prints. Limits are of CPU time, which a loaded machine stretches little; what still met one (or the
wall limit) runs again when nothing else does, so that a verdict does not depend on what ran beside it.
"""

from __future__ import annotations

import os
import secrets
import weakref
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace

from ownlm.evaluate.runners.base import Source, Status, Verdict
from ownlm.evaluate.runners.java_compiler import JavaCompilers
from ownlm.evaluate.runners.language import RUN, encoded
from ownlm.evaluate.runners.registry import runner, versions
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.program import Ended, How, Sandbox
from ownlm.evaluate.sandbox.python_pool import PythonPool
from ownlm.pipeline.progress import Task

OUTPUT = 2000
"""Characters that are kept of each of stdout and stderr: their ends."""
_CUT: dict[How, Status] = {
    "cpu": "timed_out", "wall": "timed_out", "memory": "out_of_memory", "output": "too_much_output",
}  # fmt: skip


def programs_at_a_time(cores: int) -> int:
    """Half as many again as there are cores: a program waits while the kernel makes and clears its namespaces."""
    return cores + (cores + 1) // 2


class Judge:
    """Runs test programs. What it keeps warm ends with it, with `close`, or with the process.

    Args:
        sandbox: where programs run. Interpreters and compilers are kept warm where it contains programs.
        workers: programs at a time; None for `programs_at_a_time`.
        warm: whether anything is kept warm; without, every program starts its own tools.
    """

    def __init__(self, sandbox: Sandbox, workers: int | None = None, *, warm: bool = True) -> None:
        self._sandbox = sandbox
        self._workers = workers or programs_at_a_time(os.cpu_count() or 1)
        self._warm = _Warm(sandbox) if warm and isinstance(sandbox, BubblewrapSandbox) else None
        self.close = weakref.finalize(self, self._warm.close if self._warm else lambda: None)

    def judge(self, sources: Sequence[Source], task: Task) -> list[Verdict]:
        """A verdict for each, in their order; each distinct source runs once. `task` is advanced by one for each.

        Raises:
            DependencyError: a language's tools are not all installed; nothing has run.
            EvaluationError: a language is unknown; nothing has run.
            SandboxError: containment itself failed.
        """
        versions({source.language for source in sources})
        copies = Counter(sources)
        verdicts: dict[Source, Verdict] = {}

        def run(source: Source) -> None:
            verdicts[source] = self._run(source)
            if verdicts[source].status != "timed_out":
                task.advance(copies[source])

        with ThreadPoolExecutor(self._workers) as threads:
            running = [threads.submit(run, source) for source in copies]
            try:
                ended, _ = wait(running, return_when=FIRST_EXCEPTION)
            finally:  # an error, or Ctrl-C: what has not begun never does
                threads.shutdown(wait=False, cancel_futures=True)
        for future in ended:
            future.result()
        for source in copies:
            if verdicts[source].status == "timed_out":
                verdicts[source] = replace(self._run(source), retried=True)
                task.advance(copies[source])
        return [verdicts[source] for source in sources]

    def _run(self, source: Source) -> Verdict:
        nonce = secrets.token_hex(16)
        if self._warm is not None and runner(source.language).language in self._warm.languages:
            return conclude(*self._warm.run(source, nonce), nonce)
        program = runner(source.language).program(source, nonce)
        return conclude(self._sandbox.run(program), len(program.steps), nonce)


class _Warm:
    """Interpreters and compilers that wait; none is started before the first program of its language."""

    languages = ("python", "java")

    def __init__(self, sandbox: BubblewrapSandbox) -> None:
        self._sandbox = sandbox
        self._python = PythonPool(sandbox, lambda: path_of("python3"), RUN)
        self._java = JavaCompilers(sandbox)

    def run(self, source: Source, nonce: str) -> tuple[list[Ended], int]:
        """How its steps ended, and how many there are."""
        language = runner(source.language)
        if language.language == "python":
            return [self._python.run(encoded(source.text), nonce)], 1
        program = language.program(source, nonce)
        compiled, rest = self._java.compile(program)
        return [compiled, *(self._sandbox.run(rest) if rest else [])], len(program.steps)

    def close(self) -> None:
        """End them."""
        self._python.close()
        self._java.close()


def conclude(ended: Sequence[Ended], steps: int, nonce: str) -> Verdict:
    """The verdict on a program.

    Args:
        ended: its steps, to the first that did not exit with 0.
        steps: how many there are; those before the last compile.
        nonce: what the end of the tests prints.
    """
    last, ran = ended[-1], len(ended) == steps
    good = (last.how, last.code) == ("exit", 0)
    status: Status = "failed" if ran else "compile_error"
    if last.how in _CUT:
        status = _CUT[last.how]
    elif good:
        status = "passed" if nonce.encode() in last.stdout else "no_end"
    texts = [stream.decode("utf-8", "replace").replace(nonce, "").rstrip() for stream in (last.stdout, last.stderr)]
    output = "\n".join(text[-OUTPUT:] for text in texts if text)
    return Verdict(status, output, last.cpu_seconds if ran else 0.0)
