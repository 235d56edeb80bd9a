"""Encoding, one core: ours beside `tokenizers`, tiktoken and, where installed, others over the same merges, in one run.

    python benchmarks/encode.py [--corpus ../shared/corpus] [--parts 1] [--every 8] [--size 16384] [--digits single]
    python benchmarks/encode.py --parts 0 1 2 3 4 5 6 7 --every 1 --repeat 1 --only tokenizers.encode_batch_fast ours

    pip install gigatoken quicktok-v1 riptoken  (in a virtual environment of its own: only this script wants them)

Trains a vocabulary on the first part of the corpus, then encodes every n-th document of the parts with each. Figures
are MB of text (1e6 bytes of UTF-8) a second of processor time, the best of `--repeat` for each group of documents; all
ids are compared with the first one's. Then characters of one kind or drawn from a few, and four times as many, where
what is not linear shows. The second command compares the ids of the whole corpus (minutes: the rival is slow).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ["RAYON_NUM_THREADS"] = "1"  # before tokenizers starts its threads

import pyarrow.parquet as pq
import tiktoken
from tokenizers import Tokenizer

from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.vocabulary.config import VocabularyConfig
from ownlm.tokens.vocabulary.encode import PATTERNS
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import save, train_tokenizer

TRAINED_ON = 1200
AT_ONCE = 200
KINDS = {
    "one letter": "a",
    "letters": "abcdefghijklmnopqrstuvwxyz",
    "common letters": "etaoin",
    "spaces": " ",
    "newlines": "\n",
    "signs": "+-*/=<>()",
    "digits": "0123456789",
    "ideographs": "変数漢字言語",
    "emoji": "🙂🚀",
    "combining marks": "\u0301\u0302",
}
Encode = Callable[[list[str]], list[list[int]]]


class _Sample(list[str]):
    bytes = 1  # all that training asks of a sample, for its progress


def encoders(folder: Path, digits: str) -> dict[str, Encode]:
    """The rivals, then ours; the first is the reference."""
    reference, vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")), Vocabulary.load(folder)
    reference.encode_special_tokens = True
    ranks = {data: number for number, data in enumerate(vocabulary.token_bytes) if data}
    plain = tiktoken.Encoding("plain", pat_str=PATTERNS[digits], mergeable_ranks=ranks, special_tokens={})
    vocabulary.encode("")  # builds the encoder
    mine = {
        "tokenizers.encode_batch": lambda texts: [
            one.ids for one in reference.encode_batch(texts, add_special_tokens=False)
        ],
        "tokenizers.encode_batch_fast": lambda texts: [
            one.ids for one in reference.encode_batch_fast(texts, add_special_tokens=False)
        ],
        "tiktoken": lambda texts: [plain.encode_ordinary(text) for text in texts],
        "ours": vocabulary.encode_batch,
    }
    return {**mine, **others(folder, digits, ranks)}


def others(folder: Path, digits: str, ranks: dict[bytes, int]) -> dict[str, Encode]:
    """Libraries that ownlm does not need, as far as they are installed."""
    description = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    bare = json.dumps({**description, "added_tokens": []})  # or the text of a special token would become it

    def gigatoken() -> Encode:
        tokenizer = importlib.import_module("gigatoken").Tokenizer.from_json(bare)
        return lambda texts: tokenizer.encode_batch_list(texts, parallel=False)

    def quicktok() -> Encode:
        library = importlib.import_module("quicktok")
        os.environ["QUICKTOK_DATA"] = str(folder)
        (folder / "bare.json").write_text(bare, encoding="utf-8")
        library.import_tokenizer(str(folder / "bare.json"), "own")
        tokenizer = library.get_encoding("own")
        return lambda texts: [tokenizer.encode_ordinary(text) for text in texts]

    def riptoken() -> Encode:
        tokenizer = importlib.import_module("riptoken").CoreBPE(ranks, {}, PATTERNS[digits])
        return lambda texts: [tokenizer.encode_ordinary(text) for text in texts]

    found = {}
    for make in (gigatoken, quicktok, riptoken):
        try:
            found[make.__name__] = make()
        except ImportError:
            print(f"{make.__name__} is not installed: left out")
    return found


def compare(rivals: dict[str, Encode], texts: Iterator[list[str]], repeat: int) -> bool:
    """Print MB/s of each over the same documents, group by group in turn; whether all ids are equal."""
    seconds, differing, total, documents, tokens = dict.fromkeys(rivals, 0.0), dict.fromkeys(rivals, 0), 0, 0, 0
    for group in texts:
        expected: list[list[int]] = []
        for name, encode in rivals.items():
            spent = []
            for _ in range(repeat):
                start = time.process_time()
                found = encode(group)
                spent.append(time.process_time() - start)
            seconds[name] += min(spent)
            expected = expected or found
            differing[name] += sum(one != other for one, other in zip(found, expected, strict=True))
        total += sum(len(text.encode()) for text in group)
        documents += len(group)
        tokens += sum(map(len, expected))
    print(f"{documents:,} documents, {total / 1e6:.1f} MB, {tokens:,} tokens")
    first = next(iter(seconds.values()))
    for name, spent_in_all in seconds.items():
        ids = f"{differing[name]} documents differ" if differing[name] else "identical ids"
        print(f"{name:30} {total / spent_in_all / 1e6:6.2f} MB/s {first / spent_in_all:6.1f}x   {ids}")
    return not any(differing.values())


def groups_of(files: Sequence[Path], every: int) -> Iterator[list[str]]:
    """Every n-th document of the files, so many at a time."""
    for file in files:
        texts = pq.read_table(file, columns=["content"]).column(0).to_pylist()[::every]
        yield from (texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE))


def adversaries(encode: Encode, size: int) -> None:
    """Print seconds for `size` and four times `size` bytes of one kind, the best of three."""
    random_ = random.Random(1)
    for name, alphabet in KINDS.items():
        best = []
        for length in (size, 4 * size):
            text, spent = "".join(random_.choices(alphabet, k=length // len(alphabet[0].encode()))), []
            for _ in range(3):
                start = time.process_time()
                encode([text])
                spent.append(time.process_time() - start)
            best.append(min(spent))
        print(f"{name:16} {size:,} bytes {best[0]:.3f} s, four times as many {best[1]:.3f} s")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--parts", type=int, nargs="+", default=[1])
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--size", type=int, default=16_384)
    parser.add_argument("--digits", choices=["single", "triple"], default="single")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="which of them, the first being the reference")
    arguments = parser.parse_args()
    files = sorted(arguments.corpus.glob("*.parquet"))
    sample = _Sample(pq.read_table(files[0], columns=["content"]).column(0).to_pylist()[:TRAINED_ON])
    config: Any = VocabularyConfig(size=arguments.size, digits=arguments.digits)
    with tempfile.TemporaryDirectory() as folder:
        save(train_tokenizer(sample, config, SilentProgress()), SpecialTokens(), Path(folder))  # type: ignore[arg-type]
        rivals = encoders(Path(folder), arguments.digits)
    rivals = {name: rivals[name] for name in arguments.only or rivals}
    print(f"{arguments.size} tokens, digits {arguments.digits}, one core")
    same = compare(rivals, groups_of([files[part] for part in arguments.parts], arguments.every), arguments.repeat)
    if not arguments.only:
        adversaries(rivals["ours"], 1_000_000)
    if not same:
        raise SystemExit("ids differ")


if __name__ == "__main__":
    main()
