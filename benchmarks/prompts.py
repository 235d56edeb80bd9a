"""Prompts for editors: how much of each a typing session reads anew, and what an index of a repository costs.

    python benchmarks/prompts.py EXPORT FILE [FOLDER]

EXPORT is an export artifact (its vocabulary is used), FILE a file to type in, FOLDER a repository to index.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from itertools import pairwise, takewhile
from pathlib import Path

from ownlm.serve.call import CodeContext, Snippet
from ownlm.serve.prompt.build import PromptBuilder
from ownlm.serve.prompt.repository.config import RepositoryConfig
from ownlm.serve.prompt.repository.watched import Repository
from ownlm.tokens.vocabulary.load import Vocabulary

KEYS = 1500
ANEW = 16


def reuse(prompts: list[tuple[int, ...]]) -> tuple[float, float]:
    """Share of tokens the prompt before has in common; share of keys with more than `ANEW` tokens that are others."""
    total = same = anew = 0
    for before, after in pairwise(prompts):
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
        total, same, anew = total + len(after), same + common, anew + (len(after) - common > ANEW)
    return same / total, anew / (len(prompts) - 1)


def typing(vocabulary: Vocabulary, text: str) -> None:
    """The table of docs/prompts.md."""
    start, end = len(text) // 2, len(text) // 2 + KEYS
    snippets = tuple(Snippet(f"f{n}.py", f"def helper_{n}(one):\n    return one * {n}\n", "opened") for n in range(4))
    for context in (256, 2048):
        builder = PromptBuilder(vocabulary, context)
        for name, ours in (("longest ends", False), ("ours", True)):
            prompts, seconds = [], []
            for cursor in range(start, end):
                code = CodeContext(text[:cursor], text[end:], "Python", "own.py", "", snippets)
                began = time.perf_counter()
                prompts.append(builder.code(code, 64, "suffix_first", snippets=ours).ids)
                seconds.append(time.perf_counter() - began)
            same, anew = reuse(prompts)
            median = 1e3 * statistics.median(seconds)
            print(f"{context:6} {name:14} same {same:6.1%}  keys anew {anew:6.2%}  {median:5.2f} ms")


def indexing(folder: Path) -> None:
    """What the index of a folder costs."""
    repository = Repository(RepositoryConfig(path=str(folder)))
    for what in ("first look", "nothing changed"):
        began, used = time.perf_counter(), time.process_time()
        files = repository.refresh()
        print(
            f"{what}: {files} files, {time.perf_counter() - began:.1f} s, {time.process_time() - used:.2f} s of a core"
        )
    sources = [path for path in folder.rglob("*.py") if path.is_file()]
    draw, seconds = random.Random(0), []
    for _ in range(300):
        text = draw.choice(sources).read_text(errors="replace")
        cursor = draw.randrange(len(text) + 1)
        began = time.perf_counter()
        repository.shown(CodeContext(text[:cursor], text[cursor:], "Python"))
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    print(f"a question: p50 {1e3 * seconds[150]:.2f} ms, p95 {1e3 * seconds[285]:.2f} ms")


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="an export artifact's folder, with ctranslate2")
    parser.add_argument("file", type=Path, help="a file of code, which is typed")
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of code, which is indexed")
    asked = parser.parse_args()
    typing(Vocabulary.load(asked.export / "ctranslate2"), asked.file.read_text(encoding="utf-8"))
    if asked.folder is not None:
        indexing(asked.folder)


if __name__ == "__main__":
    main()
