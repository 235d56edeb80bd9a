"""Do all engines say the same? Greedy tokens of a run's model through every engine and precision, beside our decoder.

    python benchmarks/engine_agreement.py --home .ownlm --run quickstart

Real prompts: files of Python's own library, cut at random places, half of them to fill in the middle. What is compared
with is `ownlm.model.generate.greedy` in float32. "Agreement" counts tokens before the first difference; "widest gap" is
how far apart our decoder's logits are at the first difference. Servers are real and run in processes of their own:
llama.cpp (xllamacpp), tritonserver (.venv-triton, skipped when absent), and for http our own gateway.
"""

from __future__ import annotations

import argparse
import random
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ownlm.export.config import ExportConfig
from ownlm.export.forms import Source
from ownlm.export.gguf.server import running_llamacpp
from ownlm.export.gguf.write import write_gguf
from ownlm.export.huggingface import quiet_transformers, write_huggingface
from ownlm.export.triton.write import write_triton
from ownlm.exporting import _source
from ownlm.model.generate import greedy
from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep
from ownlm.serve.engines.open import open_engine
from ownlm.serve.server import running_server
from ownlm.tokens.objectives.layout import suffix_prefix_middle
from ownlm.tokens.vocabulary.load import Vocabulary

NEW = 32


def prompts_of(vocabulary: Vocabulary, context: int, count: int) -> list[list[int]]:
    """Half to go on with, half to fill in; at most half the context."""
    draw, found = random.Random(0), []
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    room = context - NEW - 4
    while len(found) < count:
        text = draw.choice(files).read_text(encoding="utf-8", errors="ignore")
        place = draw.randrange(len(text) // 4, len(text) - 200)
        before, after = vocabulary.encode(text[:place])[-room // 2 :], vocabulary.encode(text[place:])[: room // 4]
        found.append(
            suffix_prefix_middle(before, after, None, vocabulary.special)
            if len(found) % 2
            else [vocabulary.special.end_of_text, *before]
        )
    return found


def answers(engine: Engine, prompts: Sequence[Sequence[int]], stops: frozenset[int]) -> list[list[int]]:
    """Each prompt's greedy tokens, without the one that ends them."""
    made = []
    for prompt in prompts:
        steps: list[GenerationStep] = []
        request = GenerationRequest(tuple(prompt), NEW, temperature=0.0, stop_ids=stops)
        engine.generate(request, lambda step, steps=steps: bool(steps.append(step)))
        made.append([step.token for step in steps if step.token not in stops])
    return made


@contextmanager
def llamacpp(folder: Path, *, exact: bool) -> Iterator[Engine]:
    """llama.cpp's own server."""
    with running_llamacpp(folder / "model.gguf", exact=exact) as url:
        engine = open_engine(folder, ServeConfig(engine="llamacpp", engine_url=url))
        yield engine
        engine.close()


@contextmanager
def triton(folder: Path, log: Path) -> Iterator[Engine]:
    """The real tritonserver."""
    from tests.serve.engines.triton_server import running_triton

    with running_triton(folder / "python", log) as (url, _):
        engine = open_engine(folder, ServeConfig(engine="triton", engine_url=url))
        yield engine
        engine.close()


@contextmanager
def gateway(export: Path) -> Iterator[Engine]:
    """Our gateway, asked by the http engine."""
    with running_server(export, ServeConfig(port=0, feedback=None)) as server:
        engine = open_engine(export / "ctranslate2", ServeConfig(engine="http", engine_url=server.url))
        yield engine
        engine.close()


@contextmanager
def embedded(folder: Path) -> Iterator[Engine]:
    """CTranslate2 in this process."""
    engine = open_engine(folder, ServeConfig())
    yield engine
    engine.close()


def forms(source: Source, out: Path) -> Path:
    """Every form at every precision, below `out`."""
    from ownlm.export.ctranslate2 import write_ctranslate2

    folder = write_huggingface(source.decoder, source.vocabulary_dir, out)
    with quiet_transformers():
        for stored in ("float32", "int8", "int16"):
            write_ctranslate2(folder, out / stored, stored, source.description)
        for stored in ("f32", "f16", "q8_0"):
            write_gguf(folder, out / stored, stored, source.description)
        config = ExportConfig.model_validate(["triton"]).triton
        assert config is not None
        write_triton(folder, out, config, source.description)
    return out


def main() -> None:
    """Export, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".ownlm"))
    parser.add_argument("--run", default="quickstart")
    parser.add_argument("--prompts", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    _, source = _source(arguments.run, arguments.home)
    decoder, vocabulary = source.decoder, source.vocabulary()
    stops = frozenset(range(vocabulary.special.count))
    prompts = prompts_of(vocabulary, decoder.architecture.context, arguments.prompts)
    ours = greedy(decoder, prompts, NEW, stop_ids=sorted(stops))
    total = sum(map(len, ours))
    print(f"{len(prompts)} prompts, {total} tokens; {decoder.architecture.parameters} parameters\n")
    print(f"{'engine':<12} {'weights':<9} {'prompts equal':>14} {'agreement':>10} {'widest gap':>11}")
    with tempfile.TemporaryDirectory(prefix="ownlm-agreement-") as scratch:
        out = forms(source, Path(scratch))
        engines: list[tuple[str, str, Callable[[], object]]] = [
            ("ctranslate2", "float32", lambda: embedded(out / "float32" / "ctranslate2")),
            ("ctranslate2", "int16", lambda: embedded(out / "int16" / "ctranslate2")),
            ("ctranslate2", "int8", lambda: embedded(out / "int8" / "ctranslate2")),
            ("http", "float32", lambda: gateway(out / "float32")),
            ("llamacpp", "f32", lambda: llamacpp(out / "f32" / "gguf", exact=True)),
            ("llamacpp", "f32, f16 kv", lambda: llamacpp(out / "f32" / "gguf", exact=False)),
            ("llamacpp", "f16", lambda: llamacpp(out / "f16" / "gguf", exact=False)),
            ("llamacpp", "q8_0", lambda: llamacpp(out / "q8_0" / "gguf", exact=False)),
        ]
        if (Path(__file__).resolve().parents[1] / ".venv-triton" / ".ready").is_file():
            engines.append(("triton", "float32", lambda: triton(out / "triton", out / "log")))
        for name, weights, opened in engines:
            with opened() as engine:  # type: ignore[attr-defined]
                theirs = answers(engine, prompts, stops)
            equal, agreeing, widest = 0, 0, 0.0
            for prompt, one, two in zip(prompts, ours, theirs, strict=True):
                same = next((i for i, pair in enumerate(zip(one, two, strict=False)) if pair[0] != pair[1]), None)
                same = min(len(one), len(two)) if same is None else same
                equal, agreeing = equal + (one == two), agreeing + same
                if one != two:
                    with torch.inference_mode():
                        logits_V = decoder(torch.tensor([[*prompt, *one[:same]]]))[0, -1]
                    token = two[same] if same < len(two) else vocabulary.special.end_of_text
                    widest = max(widest, float(logits_V.max() - logits_V[token]))
            print(
                f"{name:<12} {weights:<11} {f'{equal} of {len(prompts)}':>12} {100 * agreeing / total:>8.1f} % "
                f"{widest:>11.2g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
