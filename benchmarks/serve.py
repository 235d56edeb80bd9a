"""What serving costs: engines alone, a person who types, many users over HTTP, cancelled requests.

    python benchmarks/serve.py [PART ...] [--export EXPORT | --shape 111m] [--threads 2] [--folder DIR]

Parts (all, if none is named):

    bound     how fast this machine reads memory: what a token costs at least
    bare      first token and tokens after it, of a prompt nobody has read before
    typing    a real file typed character by character; a request after each pause of --debounce seconds
    users     1, 4, 16 people through the gateway, beside the same engine called without it; lost and doubled answers
    cancel    tokens and passes computed after nobody waits any more, counted

`--gguf FILE` adds llama.cpp's server (the package xllamacpp) and, with `--openvino PYTHON`, openvino-genai in its own
virtual environment. Tables are Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from serve_contenders import (
    SHAPES,
    Contender,
    UnsupportedModelError,
    bare_ctranslate2,
    llama_cpp,
    openvino,
    ours,
    percentiles,
    random_export,
)
from serve_users import users

from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep
from ownlm.serve.engines.open import open_engine
from ownlm.serve.prompt.build import PromptBuilder
from ownlm.tokens.vocabulary.load import Vocabulary

Maker = partial[Contender]
PARTS = ("bound", "bare", "typing", "users", "cancel")
TYPED_FILE = Path(json.__file__).with_name("decoder.py")


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call `work` in a process of its own: threads that OpenMP leaves behind slow down every engine measured after."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def bandwidth(options: argparse.Namespace) -> float:
    """Bytes a second of a plain read by all threads, the best of three ways; prints them."""
    found = alone(bandwidths, options.threads)
    print("\n| plain read | GB/s |\n|---|---|")
    for name, speed in found.items():
        print(f"| {name} | {speed / 1e9:.1f} |")
    return max(found.values())


def bandwidths(threads: int) -> dict[str, float]:
    """Bytes a second by way of reading 448 MB, median of 7."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    numbers = torch.ones(112_000_000)
    matrix, vector = numbers.view(-1, 1000), torch.ones(1000)
    array = numbers.numpy()
    ways: dict[str, Callable[[], Any]] = {
        "sum of 448 MB, torch, all threads": numbers.sum,
        "matrix times vector, torch, all threads": lambda: matrix @ vector,
        "matrix times vector, numpy": lambda: array.reshape(-1, 1000) @ np.ones(1000, dtype=np.float32),
    }
    found = {}
    for name, way in ways.items():
        way()
        found[name] = array.nbytes / statistics.median(seconds_of(way) for _ in range(7))
    return found


def seconds_of(way: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def contenders(options: argparse.Namespace, *, remember: bool) -> Iterator[Maker]:
    """Functions that make those who are measured, each to be called in a process of its own."""
    memory = {} if remember else {"prefix_cache_mb": 0}
    for precision in options.precisions:
        export = options.exports[precision]
        makers: dict[str, Maker] = {
            "bare": partial(bare_ctranslate2, export, precision, options.threads),
            "ctranslate2": partial(ours, export, "ctranslate2", precision, options.threads, **memory),
            "torch": partial(ours, export, "torch", precision, options.threads, **memory),
        }
        for name, make in makers.items():
            if name in options.engines and not (remember and name == "bare"):
                yield make
    for gguf in options.gguf:
        yield partial(llama_cpp, gguf, remember=remember)
        if options.openvino:
            yield partial(openvino, options.openvino, gguf, options.threads)


def bare(options: argparse.Namespace, bytes_per_second: float) -> None:
    """First tokens and the ones after them."""
    draw = random.Random(0)
    prompts = [[draw.randrange(130, 4000) for _ in range(options.prompt)] for _ in range(options.rounds)]
    print(f"\nPrompts of {options.prompt} tokens, never met before; {options.tokens} new ones; ms\n")
    print("Bound of a token: the time to read all weights, and keys and values of all positions before it\n")
    print("| engine | first token p50 | p95 | p99 | a token p50 | p95 | p99 | tokens/s | of it | of the weights |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for make in contenders(options, remember=False):
        # The machine is shared: how fast it reads is looked at again beside each one.
        speed = max(bytes_per_second, *alone(bandwidths, options.threads).values())
        if (found := alone(measured, make, prompts, options.tokens)) is None:
            continue
        steps = [later - before for times in found.answers for before, later in pairwise(times)]
        rate = 1 / statistics.median(steps)
        weights = found.weight_bytes / speed
        kept = found.position_bytes * (options.prompt + options.tokens / 2) / speed
        first = percentiles([times[0] for times in found.answers])
        row = f"| {found.name} | {first} | {percentiles(steps)} | {rate:.1f} | {rate * (weights + kept):.0%} |"
        print(f"{row} {rate * weights:.0%} |", flush=True)


@dataclass
class Measured:
    """When each token came, request after request, of one contender."""

    name: str
    answers: list[list[float]]
    weight_bytes: int
    position_bytes: int


def measured(make: Maker, prompts: Sequence[Sequence[int]], tokens: int) -> Measured | None:
    """Ask for each prompt in turn; None, with a line, when the contender does not take the model."""
    try:
        contender = make()
    except UnsupportedModelError as error:
        print(f"({error})", flush=True)
        return None
    contender.ask(prompts[0][:64], 4)
    answers = [contender.ask(prompt, tokens) for prompt in prompts]
    contender.close()
    return Measured(contender.name, answers, contender.weight_bytes, contender.position_bytes)


def typed(options: argparse.Namespace) -> list[tuple[int, ...]]:
    """Prompts of a person who types the middle of a file: one after each pause longer than the debounce.

    Keys come 0.05-0.4 s apart (log-normal, median 0.13 s), line ends and blanks rather later.
    """
    text = options.file.read_text(encoding="utf-8")
    start, end = options.typed_from, options.typed_from + options.characters
    vocabulary = Vocabulary.load(options.exports["float32"] / "ctranslate2")
    builder = PromptBuilder(vocabulary, options.context)
    draw = random.Random(0)
    prompts = []
    for place in range(start, end):
        pause = draw.lognormvariate(-2.0, 0.5) * (2.0 if text[place - 1] in " \n(" else 1.0)
        if pause >= options.debounce:
            prompts.append(builder.text(text[:place], text[end : end + 1200], 16, "suffix_first").ids)
    return prompts


def typing(options: argparse.Namespace) -> None:
    """First tokens while a person types, with and without memory of earlier prompts."""
    prompts = typed(options)
    lengths = statistics.median(len(prompt) for prompt in prompts)
    print(f"\n{len(prompts)} requests while {options.characters} characters of {options.file.name} are typed")
    print(f"(debounce {options.debounce} s; prompts of {lengths:.0f} tokens, median); first token, ms\n")
    print("| engine | memory | p50 | p95 | p99 | times faster (p50) |\n|---|---|---|---|---|---|")
    cold: dict[str, float] = {}
    for remember in (False, True):
        for make in contenders(options, remember=remember):
            asked = prompts if remember else prompts[:: max(1, len(prompts) // options.rounds)]
            if not remember and make.func is openvino:
                continue  # it cannot be told to forget the prompt before
            if (found := alone(measured, make, asked, 1)) is None:
                continue
            firsts = [times[0] for times in found.answers]
            median = statistics.median(firsts)
            faster = f"{cold[found.name] / median:.1f}" if found.name in cold else ""
            cold.setdefault(found.name, median)
            kind = "yes" if remember else "no"
            print(f"| {found.name} | {kind} | {percentiles(firsts)} | {faster} |", flush=True)


class Leaver:
    """Somebody who stops waiting while a token is handed over, and counts what still comes."""

    def __init__(self, engine: Engine, at: int) -> None:
        self._engine, self._at, self._seen = engine, at, 0
        self.gone = threading.Event()
        self.after = self.passes = 0

    def on_step(self, step: GenerationStep) -> bool:
        """Never says stop itself."""
        self.after += self.gone.is_set()
        self._seen += 1
        if self._seen == self._at:
            self.gone.set()
            self.passes = passes_of(self._engine)
        return False


def cancel(options: argparse.Namespace) -> None:
    """What is computed after nobody waits any more."""
    print("\n| engine | cancelled | tokens given out after that | passes computed after that |\n|---|---|---|---|")
    export = options.exports["float32"]
    for name in ("ctranslate2", "torch"):
        if name not in options.engines:
            continue
        engine = open_engine(
            export / "ctranslate2", ServeConfig.model_validate({"engine": name, "threads": options.threads})
        )
        for at in (1, 8):
            leaver = Leaver(engine, at)
            engine.generate(
                GenerationRequest(tuple(range(130, 190)), 500, temperature=0), leaver.on_step, leaver.gone.is_set
            )
            computed = passes_of(engine) - leaver.passes if name == "torch" else "not counted"
            print(f"| {name} | at token {at} | {leaver.after} | {computed} |")
        engine.close()


def passes_of(engine: Engine) -> int:
    """Passes of the torch engine so far; this one counts as soon as it has begun to give out tokens."""
    counters = getattr(engine, "counters", None)
    return 0 if counters is None else int(counters.passes)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which; all if none is named")
    parser.add_argument("--export", type=Path, help="an export artifact with huggingface and ctranslate2 (float32)")
    parser.add_argument("--int8", type=Path, help="the same model exported in int8")
    parser.add_argument("--shape", choices=SHAPES, default="3m", help="without --export: a model with random weights")
    parser.add_argument("--folder", type=Path, help="where that model is kept for the next run")
    parser.add_argument("--engines", nargs="*", default=["bare", "ctranslate2", "torch"])
    parser.add_argument("--precisions", nargs="*", default=["float32", "int8"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10, help="prompts of `bare`, and of `typing` without memory")
    parser.add_argument("--prompt", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--requests", type=int, default=200, help="of `users`, for each number of users")
    parser.add_argument("--file", type=Path, default=TYPED_FILE, help="what is typed")
    parser.add_argument("--typed-from", type=int, default=2400, help="characters there before")
    parser.add_argument("--characters", type=int, default=300, help="typed")
    parser.add_argument("--debounce", type=float, default=0.15, help="seconds without a key before a request")
    parser.add_argument("--gguf", type=Path, nargs="*", default=[], help="the model for llama.cpp and openvino-genai")
    parser.add_argument("--openvino", type=Path, help="python of a virtual environment with openvino-genai")
    options = parser.parse_args()
    parts = options.parts or PARTS
    with tempfile.TemporaryDirectory() as passing:
        made = None if options.export else random_export(options.folder or Path(passing), options.shape)
        options.exports = {"float32": options.export or made / "float32", "int8": options.int8 or options.export}
        if made:
            options.exports["int8"] = made / "int8"
        options.precisions = [name for name in options.precisions if options.exports[name]]
        described = json.loads((options.exports["float32"] / "ctranslate2" / "ownlm.json").read_text(encoding="utf-8"))
        options.context = described["context"]
        print(f"{described['name']}, {described['parameters']:,} parameters, {options.threads} threads")
        speed = bandwidth(options) if {"bound", "bare"} & set(parts) else 0.0
        if "bare" in parts:
            bare(options, speed)
        if "typing" in parts:
            typing(options)
        if "users" in parts:
            users(options)
        if "cancel" in parts:
            cancel(options)


if __name__ == "__main__":
    main()
