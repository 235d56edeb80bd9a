"""How often engines and number types say what float64 says: the same places of real files, teacher-forced and greedy.

    python benchmarks/serve_agreement.py EXPORT [--int8 EXPORT]

Places are drawn from Python's own library. Teacher-forced: is the likeliest token the same, after the same text? And
how many of the next tokens are the same before the first other one? Nothing here depends on the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path

from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep
from ownlm.serve.engines.open import open_engine
from ownlm.tokens.vocabulary.load import Vocabulary


def places(vocabulary: Vocabulary, context: int, count: int, tokens: int) -> list[tuple[int, ...]]:
    """Beginnings of files, cut anywhere, that leave room for the new tokens."""
    draw = random.Random(0)
    files = sorted(Path(json.__file__).parents[1].glob("*.py"))
    chosen = [draw.choice(files).read_text(encoding="utf-8", errors="ignore") for _ in range(count)]
    starts = [draw.randrange(max(1, len(text) // 2)) for text in chosen]
    encoded = vocabulary.encode_batch([text[start : start + 4000] for text, start in zip(chosen, starts, strict=True)])
    most = context - tokens - 1
    return [(vocabulary.special.end_of_text, *ids[: draw.randrange(8, most)]) for ids in encoded if len(ids) > 8]


def greedy(engine: Engine, prompt: Sequence[int], tokens: int) -> list[int]:
    """The likeliest tokens."""
    made: list[int] = []

    def on_step(step: GenerationStep) -> bool:
        made.append(step.token)
        return False

    engine.generate(GenerationRequest(tuple(prompt), tokens, temperature=0), on_step)
    return made


def likeliest(engine: Engine, prompt: Sequence[int]) -> list[int]:
    """The likeliest token after each of the prompt's."""
    return [score.top[0][0] for score in engine.score(prompt, 1)]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--int8", type=Path, help="the same model, exported in int8 for CTranslate2")
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    folder = options.export / "ctranslate2"
    context = json.loads((folder / "ownlm.json").read_text(encoding="utf-8"))["context"]
    prompts = places(Vocabulary.load(folder), context, options.places, options.tokens)
    ways = [("torch", "float64", folder), ("torch", "float32", folder), ("ctranslate2", "default", folder)]
    ways += [("torch", "bfloat16", folder), ("torch", "int8", folder)]
    if options.int8:
        ways.append(("ctranslate2", "default", options.int8 / "ctranslate2"))
    print(
        "| engine | computed in | likeliest token the same | greedy tokens before the first other | answers the same |"
    )
    print("|---|---|---|---|---|")
    right: list[tuple[list[int], list[int]]] = []
    for name, compute, place in ways:
        config = ServeConfig.model_validate({"engine": name, "compute_type": compute, "threads": 1})
        engine = open_engine(place, config)
        said = [(likeliest(engine, prompt), greedy(engine, prompt, options.tokens)) for prompt in prompts]
        engine.close()
        right = right or said
        pairs = list(zip(said, right, strict=True))
        forced = [one == other for mine, theirs in pairs for one, other in zip(mine[0], theirs[0], strict=True)]
        same = [common(mine[1], theirs[1]) for mine, theirs in pairs]
        equal = sum(mine[1] == theirs[1] for mine, theirs in pairs)
        kind = "int8, as exported" if options.int8 and place != folder else compute
        print(
            f"| {name} | {kind} | {statistics.mean(forced):.3%} of {len(forced):,} | {statistics.mean(same):.1f} "
            f"| {equal} of {len(pairs)} |",
            flush=True,
        )


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common beginning."""
    return next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


if __name__ == "__main__":
    main()
