"""Minutes at saturation: users ask without a pause, some leave in the middle, and the model is swapped under them.

    python benchmarks/soak.py --minutes 10 EXPORT [EXPORT]

A gateway in a process of its own watches a folder whose `current` goes to and fro between the exports (one is enough:
a copy of it is another version). Every answer is compared with what a version says when it is asked alone; greedy
decoding gives the same text under load. Counted are:

    lost      no answer, or one that is cut, or an unexpected status (429 is an answer: come again)
    doubled   an id seen twice, text or an end given twice
    wrong     text that no version says
    memory    resident size of the gateway over time, and its trend after the first quarter
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

TOKENS = 16
PROMPTS = [
    "def read(path):\n    with open(path) as f:\n",
    "class Stack:\n    def __init__(self):\n",
    "for i in range(",
    "import os\nimport ",
    "def add(a, b):\n    return ",
    "if __name__ == ",
    "x = [y for y in ",
    "try:\n    value = int(text)\nexcept ",
]
SWAP_S, SAMPLE_S, CANCELLED = 5.0, 1.0, 0.2


@dataclass
class Found:
    """What happened."""

    counts: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    swaps: int = 0
    versions: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def bad(self, kind: str, what: str) -> None:
        """Count a fault, and keep the first few in words."""
        self.counts[kind] += 1
        if len(self.problems) < 10:
            self.problems.append(f"{kind}: {what}")

    def growth_mb(self) -> float:
        """Megabytes between the second quarter's median and the last one's."""
        values = [size for _, size in self.memory_mb]
        quarter = max(len(values) // 4, 1)
        return _median(values[-quarter:]) - _median(values[quarter : 2 * quarter] or values)


@contextmanager
def gateway(watched: Path, home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`ownlm serve --watch` as a process."""
    command = [sys.executable, "-m", "ownlm.cli", "serve", "--watch", str(watched), "--port", "0", "--home", str(home)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if (match := re.search(r"playground\s+(http://\S+)", line)) is not None:
                    yield match[1], psutil.Process(process.pid)
                    break
            else:
                raise RuntimeError("the gateway did not start")
        finally:
            process.terminate()


def point(watched: Path, target: Path) -> None:
    """Let `current` be another export."""
    aside = watched / "aside"
    aside.symlink_to(target)
    aside.replace(watched / "current")


async def ready(client: httpx.AsyncClient, name: str) -> None:
    """Wait until the version of a folder answers."""
    while True:
        answer = await client.get("/health")
        states = answer.json()["versions"]
        if any(version.startswith(name + "@") and state["state"] == "ready" for version, state in states.items()):
            return
        await asyncio.sleep(0.05)


def body(number: int, user: str, stream: bool) -> dict[str, Any]:
    """The request of a prompt; a second half is asked with a suffix."""
    prompt, suffix = PROMPTS[number % len(PROMPTS)], "\n\nprint(1)\n" if number >= len(PROMPTS) else None
    more = {"suffix": suffix} if suffix else {}
    return {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "user": user, "stream": stream, **more}


async def learn(client: httpx.AsyncClient, model: str) -> list[str]:
    """What the version that answers now says to every prompt."""
    found = []
    for number in range(2 * len(PROMPTS)):
        answer = await client.post("/v1/completions", json={"model": model, **body(number, "alone", False)})
        answer.raise_for_status()
        found.append(answer.json()["choices"][0]["text"])
    return found


async def ask(client: httpx.AsyncClient, model: str, said: list[set[str]], found: Found, rng: random.Random) -> None:
    """One request of one user, checked."""
    number, stream, leaves = rng.randrange(2 * len(PROMPTS)), rng.random() < 0.5, rng.random() < CANCELLED
    asked = {"model": model, **body(number, f"user{rng.randrange(10**6)}", stream)}
    start = time.perf_counter()
    try:
        if leaves:
            async with asyncio.timeout(rng.uniform(0, 0.3)):
                await (_stream if stream else _whole)(client, asked)
            found.counts["answered before it could leave"] += 1
            return
        status, identity, text, ends = await (_stream if stream else _whole)(client, asked)
    except TimeoutError:
        found.counts["left"] += 1
        return
    except (httpx.HTTPError, ValueError, LookupError) as error:
        found.bad("lost", f"{type(error).__name__} {error}")
        return
    if status == 429:
        found.counts["come again (429)"] += 1
        await asyncio.sleep(rng.uniform(0.1, 0.5))
        return
    if status != 200 or ends < 1:
        found.bad("lost", f"status {status}, {ends} ends")
    elif identity in found.ids or ends > 1:
        found.bad("doubled", f"{identity}, {ends} ends")
    elif text not in said[number]:
        found.bad("wrong", f"prompt {number}: {text!r}")
    else:
        found.counts["answered"] += 1
        found.seconds.append(time.perf_counter() - start)
    found.ids.add(identity)


async def _whole(client: httpx.AsyncClient, asked: dict[str, Any]) -> tuple[int, str, str, int]:
    answer = await client.post("/v1/completions", json=asked)
    if answer.status_code != 200:
        return answer.status_code, "", "", 0
    value = answer.json()
    (choice,) = value["choices"]
    return 200, value["id"], choice["text"], int(choice["finish_reason"] is not None)


async def _stream(client: httpx.AsyncClient, asked: dict[str, Any]) -> tuple[int, str, str, int]:
    async with client.stream("POST", "/v1/completions", json=asked) as answer:
        if answer.status_code != 200:
            return answer.status_code, "", "", 0
        text, ends, done, identity = "", 0, 0, ""
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                done += 1
            elif line.startswith("data: "):
                value = json.loads(line[6:])
                (choice,) = value["choices"]
                identity = value["id"]
                text += choice["text"]
                ends += choice["finish_reason"] is not None
        return 200, identity, text, ends if done == 1 else 0


async def soak(
    exports: list[Path], seconds: float, users: int, seed: int, place: Path, swap_s: float = SWAP_S
) -> Found:
    """Run it. `place`: an empty folder to work in; `swap_s`: between swaps, 0 for none."""
    folders = [place / f"v{number}" for number in range(2)]
    for number, folder in enumerate(folders):
        shutil.copytree(exports[number % len(exports)] / "ctranslate2", folder / "ctranslate2")
    watched, model = place / "watched", "watched"
    watched.mkdir()
    point(watched, folders[0])
    found = Found()
    with gateway(watched, place / "home") as (url, process):
        limits = httpx.Limits(max_connections=users + 8, max_keepalive_connections=users + 8)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as client:
            said: list[set[str]] = [set() for _ in range(2 * len(PROMPTS))]
            for folder in folders:
                point(watched, folder)
                await ready(client, folder.name)
                for number, text in enumerate(await learn(client, model)):
                    said[number].add(text)
            end = time.perf_counter() + seconds

            async def user(number: int) -> None:
                rng = random.Random(f"{seed} {number}")
                while time.perf_counter() < end:
                    await ask(client, model, said, found, rng)

            async def swap() -> None:
                turn = 1
                while swap_s and time.perf_counter() < end - 1:
                    await asyncio.sleep(min(swap_s, seconds / 4))
                    turn = 1 - turn
                    point(watched, folders[turn])
                    await ready(client, folders[turn].name)
                    found.swaps += 1

            async def weigh() -> None:
                begin = time.perf_counter()
                while time.perf_counter() < end:
                    found.memory_mb.append((time.perf_counter() - begin, process.memory_info().rss / 1e6))
                    await asyncio.sleep(min(SAMPLE_S, seconds / 20))

            await asyncio.gather(swap(), weigh(), *(user(number) for number in range(users)))
            await settle(client, found)
    return found


async def settle(client: httpx.AsyncClient, found: Found) -> None:
    """Everything has been answered: nothing may run or wait any more."""
    for _ in range(200):
        text = (await client.get("/metrics")).text
        if "ownlm_jobs_running 0.0" in text and "ownlm_jobs_waiting 0.0" in text:
            return
        await asyncio.sleep(0.05)
    found.bad("lost", "jobs run or wait that nobody asked for")


def show(found: Found, seconds: float, users: int) -> None:
    """Print the figures."""
    ordered = sorted(found.seconds)
    print(f"{users} users, {seconds:.0f} s, {found.swaps} swaps, {len(ordered) / seconds:.1f} answers a second")
    for name in ("answered", "left", "answered before it could leave", "come again (429)", "lost", "doubled", "wrong"):
        print(f"  {name:<32} {found.counts[name]:>8}")
    if ordered:
        shown = "  ".join(
            f"p{share} {ordered[int(len(ordered) * share / 100)] * 1000:.0f} ms" for share in (50, 95, 99)
        )
        print(f"  latency of whole answers         {shown}")
    step = max(len(found.memory_mb) // 10, 1)
    sizes = "  ".join(f"{at:.0f}s {size:.0f}" for at, size in found.memory_mb[::step])
    print(f"  memory in MB                     {sizes}")
    print(f"  growth after the first quarter   {found.growth_mb():+.1f} MB")
    for problem in found.problems:
        print(f"  {problem}")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Parse, run, print; exit code 1 when a request was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", nargs="+", type=Path, help="folders of export artifacts, one or two")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--users", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--swap-every", type=float, default=SWAP_S, help="seconds between swaps of versions; 0: none")
    given = parser.parse_args()
    seconds = given.minutes * 60
    with tempfile.TemporaryDirectory() as place:
        found = asyncio.run(soak(given.exports, seconds, given.users, given.seed, Path(place), given.swap_every))
    show(found, seconds, given.users)
    sys.exit(1 if found.counts["lost"] + found.counts["doubled"] + found.counts["wrong"] else 0)


if __name__ == "__main__":
    main()
