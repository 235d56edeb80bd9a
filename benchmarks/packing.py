"""What packing costs: padded positions and dropped tokens, ours beside others' ways; and packing by repository.

    python benchmarks/packing.py [--corpus ../shared/corpus] [--parts 8] [--context 256 1024 4096] [--tokens 2000000]

Ours are the rows of real batches, `--tokens` input positions of each mix drawn from all of the corpus. Others' ways are
computed from the lengths of the same documents, as their sources say:

    best fit, cropped      nanochat (nanochat/dataloader.py, commit 0b949d9): of 1000 documents waiting, the longest
                           that fits; when none does, the shortest is cropped to the room left and its rest lost
    best fit, in pieces    documents cut into rows, the remainders packed by best fit decreasing, the rest padded (Ding
                           et al. 2024, arXiv 2404.10830)
    a document a row       its first context + 1 tokens, the rest thrown away, padded: what a plain collator does
    one stream             all documents behind each other, cut into rows; they see each other (GPT-2 and most since)

The files are those of the corpus's packages, a package taken as a repository.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ownlm.data.lake.document import SCHEMA, Document, documents_batch
from ownlm.data.lake.table import TableWriter
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.objectives.config import UL2, FillInTheMiddle, ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.config import ShardsConfig
from ownlm.tokens.shards.dependencies.order import dependency_order, imports, references
from ownlm.tokens.shards.pack import pack_split
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.vocabulary.config import VocabularyConfig
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.sample import draw_sample
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import save, train_tokenizer

Lengths = npt.NDArray[np.int64]
_NAMES = {"cpp": "C++", "php": "PHP", "javascript": "JavaScript", "typescript": "TypeScript"}
_WAITING = 1000
Rival = Callable[[Lengths, int], tuple[float, float]]


def documents(corpus: Path, parts: int) -> list[Document]:
    """The files below a package's folder, as documents of a repository named like it, in a table's order."""
    found = []
    for file in sorted(corpus.glob("*.parquet"))[:parts]:
        table = pq.read_table(file, columns=["path", "language", "content"])
        for row in table.to_pylist():
            package, _, path = row["path"].partition("/")
            language = _NAMES.get(row["language"], row["language"].title())
            found.append(Document("corpus", package, "", path or package, language, row["content"]))
    return sorted(found, key=lambda document: (document.language, document.source, document.repo, document.path))


def prepare(folder: Path, found: list[Document]) -> Vocabulary:
    """Write the table and train a vocabulary of 16,384."""
    with TableWriter(folder / "table", SCHEMA) as writer:
        for start in range(0, len(found), 500):
            writer.write(documents_batch(found[start : start + 500]))
    sample = draw_sample(CorpusTable(folder / "table"), 0, 8_000_000)
    save(train_tokenizer(sample, VocabularyConfig(size=16_384), SilentProgress()), SpecialTokens(), folder)
    return Vocabulary.load(folder)


def pack(folder: Path, mode: str) -> tuple[float, float]:
    """Pack the table; (processor seconds, peak memory in MB) of a process of its own."""
    config = ShardsConfig.model_validate({"pack": mode})
    vocabulary = Vocabulary.load(folder)
    vocabulary.encode("")
    before = time.process_time()
    pack_split(CorpusTable(folder / "table"), folder / mode, vocabulary, config, SilentProgress(), {})
    return time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def mixes() -> dict[str, ObjectivesConfig]:
    """The objectives that are measured, by the name of their line."""
    return {
        "next token": ObjectivesConfig(fill_in_the_middle=None),
        "fill-in-the-middle 0.5": ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=0.5)),
        "fill-in-the-middle 1": ObjectivesConfig(fill_in_the_middle=FillInTheMiddle(rate=1.0)),
        "fill-in-the-middle 1, documents": ObjectivesConfig(
            fill_in_the_middle=FillInTheMiddle(rate=1.0, level="document")
        ),
        "UL2 0.25": ObjectivesConfig(fill_in_the_middle=None, ul2=UL2(rate=0.25)),
        "UL2 1": ObjectivesConfig(fill_in_the_middle=None, ul2=UL2(rate=1.0)),
    }


def measured(batches: Batches, positions: int) -> tuple[float, float]:
    """(Padded share of input positions, dropped share of the tokens that were to be read.)"""
    pad = SpecialTokens.fim_pad
    samples = [batches.sample(index) for index in range(min(batches.windows, -(-positions // batches.context)))]
    padded = sum(int((sample.tokens_L == pad).sum()) for sample in samples)
    dropped = sum(piece.dropped for sample in samples for piece in sample.pieces)
    return padded / (len(samples) * batches.context), dropped / (len(samples) * batches.context)


def best_fit_cropped(lengths: Lengths, context: int) -> tuple[float, float]:
    """nanochat's rows of context + 1 tokens: (padded, dropped)."""
    coming = iter(lengths.tolist())
    waiting = sorted(length for length, _ in zip(coming, range(_WAITING), strict=False))
    used = dropped = 0
    while waiting:
        room = context + 1
        while room and waiting:
            place = bisect_right(waiting, room) - 1
            length = waiting.pop(max(0, place))
            used, dropped, room = used + length, dropped + max(0, length - room), max(0, room - length)
            following = next(coming, None)
            if following is not None:
                insort(waiting, following)
    return 0.0, dropped / used


def best_fit_in_pieces(lengths: Lengths, context: int) -> tuple[float, float]:
    """Documents in full rows and a remainder each, those packed by best fit decreasing: (padded, dropped)."""
    remainders = Counter((lengths % context).tolist())
    rows, rooms = int((lengths // context).sum()), [0] * (context + 1)  # rooms[r]: rows with r positions left
    for length in range(context, 0, -1):
        left = remainders.get(length, 0)
        for room in _rooms_for(length, context, rooms):
            if not left:
                break
            placed = min(left, rooms[room])
            rooms[room] -= placed
            rooms[room - length] += placed
            left -= placed
        while left:
            placed = min(left, context // length)
            rooms[context - placed * length] += 1
            rows, left = rows + 1, left - placed
    return 1 - float(lengths.sum()) / (rows * context), 0.0


def _rooms_for(length: int, context: int, rooms: list[int]) -> Iterator[int]:
    room = length
    while room <= context:
        if rooms[room]:
            yield room
            room = length  # what was placed may have left room for more of them
            while room <= context and not rooms[room]:
                room += 1
        else:
            room += 1


def a_document_a_row(lengths: Lengths, context: int) -> tuple[float, float]:
    """(Padded, dropped.)"""
    kept = np.minimum(lengths, context + 1)
    return 1 - float(kept.mean()) / (context + 1), 1 - float(kept.sum() / lengths.sum())


RIVALS: dict[str, Rival] = {
    "best fit, cropped": best_fit_cropped,
    "best fit, in pieces": best_fit_in_pieces,
    "a document a row": a_document_a_row,
    "one stream": lambda *_: (0.0, 0.0),
}


def show_shares(
    reader: ShardReader, vocabulary: Vocabulary, contexts: list[int], positions: int, rivals: dict[str, Rival]
) -> None:
    """Print the table of shares."""
    print(f"{'padded / dropped':36}" + "".join(f"{f'context {context:,}':>20}" for context in contexts))
    for name, mix in mixes().items():
        made = [Batches(reader, mix, vocabulary, context, 1, 0) for context in contexts]
        _print_line(f"ours, {name}", [measured(batches, positions) for batches in made])
    for name, rival in rivals.items():
        _print_line(name, [rival(reader.lengths(), context) for context in contexts])


def _print_line(name: str, shares: list[tuple[float, float]]) -> None:
    print(f"{name:38}" + "   ".join(f"{padded:7.2%} / {lost:7.2%}" for padded, lost in shares))


def show_imports(found: list[Document]) -> None:
    """Print what finding imports and the order takes, and how many imports are in order."""
    said: dict[str, dict[str, tuple[str, list[str]]]] = {}
    start = time.process_time()
    for document in found:
        names = references(document.language, document.content)
        said.setdefault(document.repo, {})[document.path] = (document.language, names)
    parsed = time.process_time()
    total = ordered = by_path = 0
    for repository, files in said.items():
        edges = imports(repository, files)
        place = {path: number for number, path in enumerate(dependency_order(files, edges))}
        pairs = [(path, target) for path, targets in edges.items() for target in targets]
        total += len(pairs)
        ordered += sum(place[target] < place[path] for path, target in pairs)
        by_path += sum(target < path for path, target in pairs)
    seconds, megabytes = time.process_time() - parsed, sum(len(document.content) for document in found) / 1e6
    print(f"imports found at {megabytes / (parsed - start):.0f} MB a core second; ", end="")
    print(f"resolved and ordered at {len(found) / seconds:,.0f} files a core second")
    print(f"{total:,} imports inside repositories: {ordered / total:.1%} behind what they import, ", end="")
    print(f"{by_path / total:.1%} if files came by path")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--context", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--tokens", type=int, default=2_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, found = Path(name), documents(arguments.corpus, arguments.parts)
        vocabulary = prepare(folder, found)
        show_imports(found)
        del found
        for mode in ("documents", "repositories"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, memory = pool.apply(pack, (folder, mode))
            reader = ShardReader(folder / mode)
            rate, headers = reader.total_bytes / 1e6 / seconds, reader.header_tokens / reader.total_tokens
            print(f"{mode}: {reader.total_bytes / 1e6:.1f} MB packed, {rate:.1f} MB a core second, ", end="")
            print(f"{memory:.0f} MB of memory; {headers:.2%} of tokens in headers")
            others = RIVALS if mode == "documents" else {}
            show_shares(reader, vocabulary, arguments.context, arguments.tokens, others)


if __name__ == "__main__":
    main()
