"""Open the sandbox this machine can have, or refuse."""

from __future__ import annotations

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox, missing
from ownlm.evaluate.sandbox.cgroup import find_hierarchy, remove_stale
from ownlm.evaluate.sandbox.program import Program, Sandbox, Step
from ownlm.evaluate.sandbox.seccomp import machine


def open_sandbox(unsafe: bool = False) -> Sandbox:
    """The strongest containment there is here, tried once before it is given out.

    Args:
        unsafe: where nothing can contain programs, run them all the same, limited but not contained.

    Raises:
        SandboxError: programs cannot be contained; says what is missing and what to do.
    """
    packages, this = missing(), machine()
    if packages or this is None:
        raise SandboxError(f"missing: {packages}", advice=f"apt-get install {' '.join(packages)}")
    hierarchy = find_hierarchy()
    if hierarchy is not None:
        remove_stale(hierarchy)
    sandbox = BubblewrapSandbox(this, hierarchy)
    sandbox.run(Program({}, (Step(("true",)),)))
    return sandbox
