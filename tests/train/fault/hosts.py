"""Three hosts on one machine, joined by a bridge: a training job on all of them, one cut off in the middle.

Started inside namespaces of its own (`IN_NAMESPACES`), so it needs no rights and leaves nothing behind:

    10.77.0.1 (runs the recipe) ──┐
    10.77.0.2 (joins)          ───┼── bridge
    10.77.0.3 (joins)          ─╳─┘   its link goes down after the first checkpoint
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.train.fault.processes import PATIENCE_S, ROOT, saved, settings

IN_NAMESPACES = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
]
HOSTS = 3
CUT_AFTER = 3
RENDEZVOUS = "10.77.0.1:29777"
SETTINGS = settings(
    batch=6,
    steps=24,
    mesh={"data": HOSTS, "nodes": HOSTS, "rendezvous": RENDEZVOUS},
    fault={"min_nodes": 2, "wait_for_nodes_s": 2, "hang_after_s": 12, "grace_s": 3},
)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def build() -> None:
    """Bridge and hosts."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "bridge", "type", "bridge")
    ip("link", "set", "bridge", "up")
    for host in range(HOSTS):
        ip("netns", "add", f"host{host}")
        ip("link", "add", f"cable{host}", "type", "veth", "peer", "name", "eth0", "netns", f"host{host}")
        ip("link", "set", f"cable{host}", "master", "bridge", "up")
        for arguments in (["lo", "up"], ["eth0", "up"]):
            ip("-n", f"host{host}", "link", "set", *arguments)
        ip("-n", f"host{host}", "addr", "add", f"10.77.0.{host + 1}/24", "dev", "eth0")


def on(host: int, *program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["ip", "netns", "exec", f"host{host}", sys.executable, *program], cwd=ROOT)


def main(inputs: Path, work: Path) -> int:
    build()
    if str(work) == "/":
        return 0  # only asked whether it can be built
    first = on(0, "-m", "tests.train.parallel.child", str(inputs), str(work), json.dumps(SETTINGS))
    job = work / "out" / "scratch" / "job.json"
    give_up = time.monotonic() + PATIENCE_S
    while not job.exists() and time.monotonic() < give_up:
        time.sleep(0.1)
    for host in range(1, HOSTS):
        on(host, "-c", "from ownlm.cli import main; main()", "train", "join", str(job), "--rendezvous", RENDEZVOUS)
    while not saved(work, CUT_AFTER)() and time.monotonic() < give_up and first.poll() is None:
        time.sleep(0.02)
    ip("link", "set", f"cable{HOSTS - 1}", "down")
    return first.wait(PATIENCE_S)  # the others end with this process's namespace


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
