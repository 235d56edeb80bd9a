"""Runs one program of a language and says how it ended, as plainly as can be."""

from __future__ import annotations

from dataclasses import replace

from ownlm.evaluate.runners.base import Source, Status
from ownlm.evaluate.runners.registry import runner
from ownlm.evaluate.sandbox.program import Ended, Program, Sandbox

NONCE = "5e1f0c9d7a3b4286"


def ended_of(sandbox: Sandbox, source: Source, cpu_seconds: float | None = None) -> tuple[Program, list[Ended]]:
    """Run it; the last step with another CPU limit where asked for."""
    program = runner(source.language).program(source, NONCE)
    if cpu_seconds is not None:
        last = program.steps[-1]
        limited = replace(last, limits=replace(last.limits, cpu_seconds=cpu_seconds))
        program = replace(program, steps=(*program.steps[:-1], limited))
    return program, sandbox.run(program)


def status_of(program: Program, ended: list[Ended]) -> Status:
    """How it ended."""
    last = ended[-1]
    if last.how in ("cpu", "wall"):
        return "timed_out"
    if len(ended) < len(program.steps):
        return "compile_error"
    if last.how != "exit" or last.code != 0:
        return "failed"
    return "passed" if NONCE.encode() in last.stdout.split(b"\n") else "no_end"


def said(ended: list[Ended]) -> str:
    """What the last step printed, for the message of a test."""
    return f"{ended[-1].how} {ended[-1].code}\n{(ended[-1].stdout + ended[-1].stderr).decode(errors='replace')[-1500:]}"
