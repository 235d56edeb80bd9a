"""How long a switch takes: from the moment its revision is on disk to the first request that a gateway answers by it.

    .venv/bin/python benchmarks/rollout.py A B [--gateways 2] [--switches 20] [--s3]

A and B are export artifacts. The gateways are processes of their own, as `ownlm serve` makes them; they follow one
registry: a folder, and with --s3 also a bucket of a server on this machine (moto). Each is asked for its version every
few milliseconds. Given apart: a version that is loaded already (other channels have it), and one that has to be loaded
first. Then what an idle gateway pays for polling.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from ownlm.live.rollout import changes
from ownlm.live.rollout.registry import Registry, open_registry
from ownlm.live.rollout.state import ModelVersion

GATEWAY = """
import sys, time
from pathlib import Path
from ownlm.live.rollout.registry import open_registry
from ownlm.live.rollout.router import ChannelRouter
from ownlm.serve.config import ServeConfig
from ownlm.serve.server import running_server
router = ChannelRouter(open_registry(sys.argv[1]))
with running_server(None, ServeConfig(port=0), router=router) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def start(stack: ExitStack, where: str) -> tuple[str, subprocess.Popen[str]]:
    """A gateway process; its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", GATEWAY, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack.callback(process.wait)
    assert process.stdin is not None
    stack.callback(process.stdin.close)
    assert process.stdout is not None
    return process.stdout.readline().strip(), process


def answers(url: str, channel: str) -> str:
    """The version that a channel's requests get now."""
    health = httpx.get(f"{url}/health", trust_env=False).json()
    return str(health.get("rollout", {}).get("channels", {}).get(channel))


def switched(registry: Registry, urls: list[str], name: str, folder: Path) -> list[float]:
    """Seconds until each gateway answers by the version."""
    version = ModelVersion(source=str(folder.resolve()), model="own")
    registry.change(
        lambda state, now: changes.switch(state, "everyone", name, version, now=now, salt="s"), why="benchmark"
    )
    start, done = time.perf_counter(), {}
    while len(done) < len(urls):
        for url in urls:
            if url not in done and answers(url, "everyone") == name:
                done[url] = time.perf_counter() - start
    return list(done.values())


def show(label: str, times: list[float]) -> None:
    """One line of the table."""
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(f"{label:38s} {statistics.median(times):7.3f} s {p95:7.3f} s {max(times):7.3f} s", flush=True)


def measure(where: str, a: Path, b: Path, gateways: int, switches: int) -> None:
    """The table for one registry."""
    registry = open_registry(where)
    for channel, folder in (("everyone", a), ("dev", a), ("staff", b)):
        version = ModelVersion(source=str(folder.resolve()), model="own")
        registry.change(
            lambda state, now, c=channel, f=folder, v=version: changes.switch(state, c, f.name, v, now=now, salt="s"),
            why="benchmark",
        )
    with ExitStack() as stack:
        started = [start(stack, where) for _ in range(gateways)]
        urls = [url for url, _ in started]
        while not all(answers(url, "staff") == b.name for url in urls):
            time.sleep(0.1)
        print(f"{'registry at ' + re.sub('/tmp/.*', 'a folder', where):38s} {'median':>9} {'p95':>9} {'most':>9}")
        loaded = [one for turn in range(switches) for one in switched(registry, urls, *_pair((b, a)[turn % 2]))]
        show("effective, version loaded already", loaded)
        with tempfile.TemporaryDirectory() as folder:
            fresh = []
            for turn in range(max(2, switches // 4)):
                link = Path(folder) / f"fresh-{turn}"
                link.symlink_to(a.resolve())
                fresh += switched(registry, urls, link.name, link)
        show("effective, version has to be loaded", fresh)
        pid = started[0][1].pid
        before, _ = cpu(pid), time.sleep(10)
        print(
            f"{'CPU of an idle gateway that polls':38s} {100 * (cpu(pid) - before) / 10:7.2f} % of a core", flush=True
        )


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pair(folder: Path) -> tuple[str, Path]:
    return folder.name, folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--switches", type=int, default=20)
    parser.add_argument("--s3", action="store_true")
    asked = parser.parse_args()
    print(json.dumps({"gateways": asked.gateways, "switches": asked.switches}))
    with tempfile.TemporaryDirectory() as folder:
        measure(str(Path(folder) / "registry"), asked.a, asked.b, asked.gateways, asked.switches)
    if asked.s3:
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.tokens.shards.s3 import serving

        with serving():
            measure("s3://shards/registry", asked.a, asked.b, asked.gateways, asked.switches)


if __name__ == "__main__":
    main()
