"""Who is measured by `benchmarks/serve.py`, and the model they are measured with.

Every contender takes token ids and a number of new ones and tells when each token came: greedy, one request a call.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ownlm.serve.config import ServeConfig
from ownlm.serve.engines.base import Engine, GenerationRequest, GenerationStep


class UnsupportedModelError(Exception):
    """A contender does not take this model."""


Ask = Callable[[Sequence[int], int], list[float]]
"""(prompt, new tokens) -> seconds from the call to each token."""

SHAPES = {
    "3m": {"d_model": 192, "layers": 6, "heads": 3, "kv_heads": 3, "d_ff": 512, "context": 1024},
    "111m": {"d_model": 768, "layers": 15, "heads": 12, "kv_heads": 12, "d_ff": 2112, "context": 2048},
}


@dataclass
class Contender:
    """One way to compute tokens.

    Attributes:
        name: in the tables.
        ask: one request.
        close: gives its memory back.
        weight_bytes: read for a token.
        position_bytes: keys and values of one position; a token reads those of all before it, too.
    """

    name: str
    ask: Ask
    weight_bytes: int
    position_bytes: int
    close: Callable[[], None] = field(default=lambda: None)


def random_export(folder: Path, shape: str) -> Path:
    """Exports with random weights in float32 and int8 (`folder`/float32, `folder`/int8), made once."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from ownlm.export.ctranslate2 import write_ctranslate2
    from ownlm.export.description import Description
    from ownlm.export.huggingface import write_huggingface
    from ownlm.model.architecture import Architecture
    from ownlm.model.decoder import Decoder
    from ownlm.tokens.vocabulary.load import Vocabulary
    from ownlm.tokens.vocabulary.special import SpecialTokens
    from ownlm.tokens.vocabulary.train import save

    if (folder / "int8" / "huggingface").is_dir():
        return folder
    vocabulary_dir = folder / "vocabulary"
    vocabulary_dir.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        special_tokens=list(SpecialTokens().names),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(file) for file in sorted(Path(json.__file__).parents[1].glob("*.py"))[:120]], trainer)
    save(tokenizer, SpecialTokens(), vocabulary_dir)
    vocabulary = Vocabulary.load(vocabulary_dir)
    architecture = Architecture(vocab_size=vocabulary.size, **SHAPES[shape])
    huggingface = write_huggingface(Decoder(architecture), vocabulary_dir, folder / "float32")
    for name in ("float32", "int8"):
        write_ctranslate2(huggingface, folder / name, name, Description(architecture, vocabulary, True))
    shutil.copytree(huggingface, folder / "int8" / "huggingface")
    return folder


def timed(engine: Engine) -> Ask:
    """One of our engines, called in this thread."""

    def ask(prompt: Sequence[int], tokens: int) -> list[float]:
        times: list[float] = []
        start = time.perf_counter()

        def on_step(step: GenerationStep) -> bool:
            times.append(time.perf_counter() - start)
            return False

        engine.generate(GenerationRequest(tuple(prompt), tokens, temperature=0), on_step)
        return times

    return ask


def ours(export: Path, engine: str, precision: str, threads: int, **settings: Any) -> Contender:
    """One of our engines: in float32 or int8 (CTranslate2: as exported)."""
    from ownlm.serve.engines.open import open_engine

    compute = precision if engine == "torch" else "default"
    config = ServeConfig.model_validate({"engine": engine, "compute_type": compute, "threads": threads, **settings})
    opened = open_engine(export / "ctranslate2", config)
    name = f"ours: {engine} {precision}"
    return Contender(name, timed(opened), weight_bytes(export, precision), position_bytes(export), opened.close)


def bare_ctranslate2(export: Path, precision: str, threads: int) -> Contender:
    """What any program that calls CTranslate2 itself would write."""
    import ctranslate2

    folder = export / "ctranslate2"
    names = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    generator = ctranslate2.Generator(str(folder), intra_threads=threads)

    def ask(prompt: Sequence[int], tokens: int) -> list[float]:
        times: list[float] = []
        start = time.perf_counter()

        def on_token(step: Any) -> bool:
            times.append(time.perf_counter() - start)
            return False

        generator.generate_batch(
            [[names[number] for number in prompt]],
            max_length=tokens,
            sampling_topk=1,
            include_prompt_in_result=False,
            end_token=[],
            callback=on_token,
        )
        return times

    name = f"ctranslate2 bare {precision}"
    return Contender(name, ask, weight_bytes(export, precision), position_bytes(export), generator.unload_model)


def llama_cpp(gguf: Path, *, remember: bool) -> Contender:
    """llama.cpp's server on a GGUF file, by its own protocol; as many threads as it takes itself."""
    import httpx

    from ownlm.export.gguf.server import running_llamacpp

    running = ExitStack()
    url = running.enter_context(running_llamacpp(gguf))
    # Its server closes a connection after some requests without saying so: each gets its own.
    client = httpx.Client(base_url=url, timeout=120, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def ask(prompt: Sequence[int], tokens: int) -> list[float]:
        times: list[float] = []
        body = {
            "prompt": list(prompt),
            "n_predict": tokens,
            "temperature": 0,
            "stream": True,
            "cache_prompt": remember,
            "ignore_eos": True,
        }
        start = time.perf_counter()
        with client.stream("POST", "/completion", json=body) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: ") and not json.loads(line[6:]).get("stop"):
                    times.append(time.perf_counter() - start)
        return times

    running.callback(client.close)
    name = f"llama.cpp ({gguf.parent.parent.name})"
    return Contender(name, ask, gguf.stat().st_size, position_bytes(gguf.parent, number=2), running.close)


def openvino(python: Path, gguf: Path, threads: int) -> Contender:
    """openvino-genai on a GGUF file, in its own virtual environment (`serve_openvino.py`)."""
    script = Path(__file__).with_name("serve_openvino.py")
    child = subprocess.Popen(
        [str(python), str(script), str(gguf), str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    source, sink = child.stdout, child.stdin
    while not (line := source.readline()).startswith("["):  # what the library says while it loads
        if not line:
            raise UnsupportedModelError(f"openvino-genai does not load {gguf}")

    def ask(prompt: Sequence[int], tokens: int) -> list[float]:
        sink.write(json.dumps({"prompt": list(prompt), "tokens": tokens}) + "\n")
        sink.flush()
        times: list[float] = json.loads(source.readline())
        return times

    def close() -> None:
        sink.close()
        child.wait(10)

    name = f"openvino-genai ({gguf.parent.parent.name})"
    return Contender(name, ask, gguf.stat().st_size, position_bytes(gguf.parent), close)


def weight_bytes(export: Path, precision: str) -> int:
    """What a token's products read: all weights once."""
    return int(description(export / "ctranslate2")["parameters"]) * (1 if precision == "int8" else 4)


def position_bytes(folder: Path, number: int = 4) -> int:
    """Keys and values of one position in all layers; `folder` has an ownlm.json, or a ctranslate2 folder with one."""
    shape = description(folder if (folder / "ownlm.json").is_file() else folder / "ctranslate2")["architecture"]
    return int(2 * shape["layers"] * shape["kv_heads"] * (shape["d_model"] // shape["heads"]) * number)


def description(folder: Path) -> dict[str, Any]:
    """What an export says of itself."""
    described: dict[str, Any] = json.loads((folder / "ownlm.json").read_text(encoding="utf-8"))
    return described


def percentiles(seconds: Sequence[float]) -> str:
    """p50, p95 and p99 in milliseconds, as columns."""
    return " | ".join(f"{quantile(seconds, share) * 1e3:.2f}" for share in (0.5, 0.95, 0.99))


def quantile(seconds: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]
