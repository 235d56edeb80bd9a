"""What the gateway costs on top of its engine, and what a seed costs on top of that.

    python benchmarks/serve.py [EXPORT]       # an export artifact; without it, a 3M model with random weights

Every round asks each way the same question, one after the other, so that a noisy machine disturbs all alike; the
median of the rounds is printed. The rival is the bare CTranslate2 call with the same prompt and the same threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from ownlm.serve.call import CompletionOptions
from ownlm.serve.completion import Piece, complete
from ownlm.serve.config import ServeConfig
from ownlm.serve.model import ServedModel, load_model
from ownlm.serve.server import running_server
from ownlm.tokens.vocabulary.load import Vocabulary

CODE = Path(json.__file__).with_name("decoder.py").read_text(encoding="utf-8")
Timing = tuple[float, float, int]
"""Seconds to the first token, seconds in all, tokens."""


def random_export(folder: Path) -> Path:
    """A 3M model with random weights and a vocabulary of 4096, in the layout of an export artifact."""
    from ctranslate2.converters import TransformersConverter
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from ownlm.tokens.vocabulary.special import SpecialTokens

    source = folder / "huggingface"
    source.mkdir()
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
    tokenizer.save(str(source / "tokenizer.json"))
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=192,
        num_hidden_layers=6,
        intermediate_size=512,
        num_attention_heads=3,
        max_position_embeddings=1024,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    LlamaForCausalLM(config).save_pretrained(source)
    end = SpecialTokens().names[0]
    PreTrainedTokenizerFast(
        tokenizer_file=str(source / "tokenizer.json"), bos_token=end, eos_token=end
    ).save_pretrained(source)
    out = folder / "ctranslate2"
    TransformersConverter(str(source), copy_files=["tokenizer.json"]).convert(str(out))
    (out / "ownlm.json").write_text(json.dumps({"name": "random-3m", "context": 1024}))
    return folder


def bare(generator: Any, names: list[str], ids: tuple[int, ...], tokens: int, special: int) -> Timing:
    """The engine alone: what any program that calls CTranslate2 itself would write."""
    start, first, count = time.perf_counter(), 0.0, 0

    def on_token(step: Any) -> bool:
        nonlocal first, count
        first = first or time.perf_counter()
        count += 1
        return False

    generator.generate_batch(
        [[names[number] for number in ids]],
        max_length=tokens,
        sampling_topk=1,
        include_prompt_in_result=False,
        end_token=list(range(special)),
        callback=on_token,
    )
    return first - start, time.perf_counter() - start, count


def in_process(model: ServedModel, prefix: str, tokens: int, **options: Any) -> Timing:
    """Our prompt, our engine and our text, without HTTP."""
    start, first = time.perf_counter(), 0.0

    def on_piece(piece: Piece) -> None:
        nonlocal first
        first = first or time.perf_counter()

    prompt = model.prompts.text(prefix, None, tokens, "suffix_first")
    count = complete(model, prompt, CompletionOptions(**options), on_piece)
    return first - start, time.perf_counter() - start, count


def over_http(client: httpx.Client, name: str, prefix: str, tokens: int) -> Timing:
    """A stream, as an editor would ask for it."""
    body: dict[str, Any] = {"model": name, "prompt": prefix, "max_tokens": tokens, "temperature": 0, "stream": True}
    body["stream_options"] = {"include_usage": True}
    start, first, count = time.perf_counter(), 0.0, 0
    with client.stream("POST", "/v1/completions", json=body) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                first = first or time.perf_counter()
                count = (json.loads(line[6:])["usage"] or {}).get("completion_tokens", 0)
    return first - start, time.perf_counter() - start, count


def whole(client: httpx.Client, name: str, prefix: str, tokens: int) -> Timing:
    """One answer, not streamed."""
    body = {"model": name, "prompt": prefix, "max_tokens": tokens, "temperature": 0}
    start = time.perf_counter()
    answer = client.post("/v1/completions", json=body).json()
    seconds = time.perf_counter() - start
    return seconds, seconds, answer["usage"]["completion_tokens"]


def measure(ways: dict[str, Callable[[], Timing]], rounds: int) -> dict[str, tuple[float, float, float]]:
    """Median first token (ms), total (ms) and tokens of each way, taken in turns after two rounds of warming up."""
    taken: dict[str, list[Timing]] = {name: [] for name in ways}
    for number in range(rounds + 2):
        for name, way in ways.items():
            timing = way()
            if number >= 2:
                taken[name].append(timing)
    return {
        name: (
            statistics.median(timing[0] for timing in timings) * 1e3,
            statistics.median(timing[1] for timing in timings) * 1e3,
            statistics.median(timing[2] for timing in timings),
        )
        for name, timings in taken.items()
    }


def show(title: str, results: dict[str, tuple[float, float, float]]) -> None:
    """A table."""
    print(f"\n{title}\n  {'':<44}{'first token':>12}{'total':>12}{'tokens':>8}")
    for name, (first, total, tokens) in results.items():
        print(f"  {name:<44}{first:>9.2f} ms{total:>9.2f} ms{tokens:>8.0f}")


async def crowd(url: str, name: str, prefix: str, clients: int, each: int) -> tuple[float, int]:
    """Answers a second with many clients at once, and how many were refused."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:

        async def ask() -> int:
            refused = 0
            for _ in range(each):
                body = {"model": name, "prompt": prefix, "max_tokens": 16, "temperature": 0}
                refused += (await client.post("/v1/completions", json=body)).status_code != 200
            return refused

        start = time.perf_counter()
        refused = sum(await asyncio.gather(*(ask() for _ in range(clients))))
        return (clients * each - refused) / (time.perf_counter() - start), refused


def main() -> None:
    """Run it."""
    import ctranslate2

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("export", nargs="?", type=Path, help="folder of an export artifact")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        export = options.export or random_export(Path(folder))
        config = ServeConfig(port=0, threads=1)
        model = load_model(export, config)
        vocabulary: Vocabulary = model.vocabulary
        names = json.loads((export / "ctranslate2" / "vocabulary.json").read_text(encoding="utf-8"))
        generator = ctranslate2.Generator(str(export / "ctranslate2"), intra_threads=1)
        with running_server(export, config) as server, httpx.Client(base_url=server.url, timeout=120) as client:
            for characters in (80, 600, 2400):
                prefix = CODE[:characters]
                ids = model.prompts.text(prefix, None, options.tokens, "suffix_first").ids
                ways: dict[str, Callable[[], Timing]] = {
                    "bare ctranslate2": lambda ids=ids: bare(
                        generator, names, ids, options.tokens, vocabulary.special.count
                    ),
                    "ours, in process": lambda prefix=prefix: in_process(model, prefix, options.tokens, temperature=0),
                    "ours, HTTP stream": lambda prefix=prefix: over_http(client, model.name, prefix, options.tokens),
                    "ours, HTTP whole answer": lambda prefix=prefix: whole(client, model.name, prefix, options.tokens),
                }
                show(f"greedy, prompt of {len(ids)} tokens ({model.name})", measure(ways, options.rounds))
            prefix = CODE[:600]
            for temperature in (0.2, 1.0):
                ways = {
                    "engine's sampler, no seed": lambda temperature=temperature: in_process(
                        model, prefix, options.tokens, temperature=temperature
                    ),
                    "seeded: the engine drafts, we choose": lambda temperature=temperature: in_process(
                        model, prefix, options.tokens, temperature=temperature, seed=1
                    ),
                }
                show(f"sampling at temperature {temperature}", measure(ways, options.rounds))
            for clients in (1, 4, 16):
                rate, refused = asyncio.run(crowd(server.url, model.name, CODE[:80], clients, 64 // clients))
                print(f"\n{clients} clients at once, 16 tokens each: {rate:.0f} answers/s, {refused} refused")


if __name__ == "__main__":
    main()
