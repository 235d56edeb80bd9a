"""Open the sandbox this machine can have, or refuse."""

from __future__ import annotations

import platform
from pathlib import Path

from ownlm.errors import SandboxError
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox, missing
from ownlm.evaluate.sandbox.cgroup import find_hierarchy, remove_stale
from ownlm.evaluate.sandbox.plain import PlainSandbox
from ownlm.evaluate.sandbox.program import Program, Sandbox, Step
from ownlm.evaluate.sandbox.seccomp import machine

_OTHERWISE = "use another machine, or --unsafe to run model-written code as plain processes"


def open_sandbox(unsafe: bool = False) -> Sandbox:
    """The strongest containment there is here, tried once before it is given out.

    Args:
        unsafe: where nothing can contain programs, run them all the same: limited, but not contained.

    Raises:
        SandboxError: programs cannot be contained; says what is missing and what to do.
    """
    try:
        return _open()
    except SandboxError:
        if unsafe:
            return PlainSandbox(find_hierarchy())
        raise


def _open() -> Sandbox:
    this, packages = machine(), missing()
    if this is None:
        raise SandboxError(f"model-written code cannot be contained on {platform.system()} {platform.machine()}",
                           advice=f"Linux on x86_64 or aarch64 can; {_OTHERWISE}")  # fmt: skip
    if packages:
        raise SandboxError(f"model-written code cannot be contained without {', '.join(packages)}",
                           advice=f"apt-get install {' '.join(packages)}; {_OTHERWISE}")  # fmt: skip
    hierarchy = find_hierarchy()
    if hierarchy is not None:
        remove_stale(hierarchy)
    sandbox = BubblewrapSandbox(this, hierarchy)
    try:
        (ended,) = sandbox.run(Program({}, (Step(("true",)),)))
    except SandboxError as error:
        raise SandboxError(error.what, advice=f"{_advice()}; {_OTHERWISE}") from error
    if (ended.how, ended.code) != ("exit", 0):
        raise SandboxError(f"in the sandbox not even `true` ends well: {ended}", advice=_OTHERWISE)
    return sandbox


def _advice() -> str:
    """What keeps user namespaces from this process, as far as the kernel says."""
    switches = {
        "user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=10000"),
        "kernel/unprivileged_userns_clone": ("0", "sysctl kernel.unprivileged_userns_clone=1"),
        "kernel/apparmor_restrict_unprivileged_userns": ("1", "an AppArmor profile that allows bwrap user namespaces"),
    }
    for name, (closed, advice) in switches.items():
        switch = Path("/proc/sys", name)
        if switch.is_file() and switch.read_text().strip() == closed:
            return f"user namespaces are switched off here: {advice}"
    return (
        "user namespaces must be allowed (in a container: its seccomp profile must allow them, bwrap >= 0.8 be there)"
    )
