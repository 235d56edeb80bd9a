"""The vocabulary's report: what it costs beside the training, and the vocabulary beside other tokenizers.

    python benchmarks/vocabulary.py [--corpus ../shared/corpus] [--part 0] [--size 16384] [--out report]
        [--compare folder file.tiktoken cl100k_base ...]

Trains on one part of the corpus (a twentieth of its documents held out by hash), then makes the figures. Times are
processor seconds. `--compare` takes what `vocabulary.compare` takes: paths, or names of tiktoken's encodings that lie
in TIKTOKEN_CACHE_DIR.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.data.lake.document import SCHEMA
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary.compare import ENCODINGS
from ownlm.tokens.vocabulary.config import VocabularyConfig, VocabularyStage
from ownlm.tokens.vocabulary.cut import cut
from ownlm.tokens.vocabulary.figures import figures
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.tokens.vocabulary.measure import measure
from ownlm.tokens.vocabulary.report import write_report
from ownlm.tokens.vocabulary.rivals import load_rival, of_another_size
from ownlm.tokens.vocabulary.special import SpecialTokens
from ownlm.tokens.vocabulary.train import save, train_tokenizer, training_sample

NAMES = {"cpp": "C++", "php": "PHP", "javascript": "JavaScript", "typescript": "TypeScript"}
HELD_OUT = 20


def write_table(file: Path, out: Path) -> None:
    """A part of the corpus as the corpus stage would write it: the archive's name stands for the repository."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in pq.read_table(file).to_pylist():
        data = row["content"].encode()
        identity = hashlib.sha256(data).hexdigest()
        language = NAMES.get(row["language"], row["language"].title())
        split = "train" if int(identity[:8], 16) % HELD_OUT else "heldout_files"
        document = {name: [] if pa.types.is_nested(SCHEMA.field(name).type) else "" for name in SCHEMA.names}
        document |= {"id": identity, "repo": row["path"].split("/")[0], "path": row["path"], "size": len(data)}
        document |= {"source": "corpus", "language": language, "content": row["content"]}
        groups.setdefault((split, language), []).append(document)
    for (split, language), documents in groups.items():
        folder = out / split / f"language={language}"
        folder.mkdir(parents=True)
        documents.sort(key=lambda one: (one["repo"], one["path"]))
        pq.write_table(pa.Table.from_pylist(documents, schema=SCHEMA), folder / "part-00000.parquet")


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--size", type=int, default=16_384)
    parser.add_argument("--compare", nargs="*", default=[])
    parser.add_argument("--out", type=Path, help="a folder for the page")
    arguments = parser.parse_args()
    named: list[Any] = [{"tiktoken": one} if one in ENCODINGS else one for one in arguments.compare]
    config = VocabularyConfig(size=arguments.size, compare=named)
    rivals = [load_rival(one) for one in config.compare]
    with tempfile.TemporaryDirectory() as name:
        corpus, folder = Path(name, "corpus"), Path(name)
        write_table(sorted(arguments.corpus.glob("*.parquet"))[arguments.part], corpus)
        times = [time.process_time()]
        sample = training_sample(CorpusTable(corpus / "train"), VocabularyStage(vocabulary=config))
        tokenizer = train_tokenizer(sample, config, SilentProgress())
        save(tokenizer, SpecialTokens(), folder)
        vocabulary = Vocabulary.load(folder)
        times.append(time.process_time())
        statistics = measure(vocabulary, corpus, config, sample)
        times.append(time.process_time())
        half = of_another_size(cut(tokenizer, arguments.size // 2), vocabulary.special)
        found: dict[str, Any] = statistics | figures(vocabulary, [half], corpus, sample, SilentProgress())
        times.append(time.process_time())
        if rivals:
            found |= figures(vocabulary, [half, *rivals], corpus, sample, SilentProgress())
    print(f"{sample.documents:,} documents, {sample.bytes / 1e6:.1f} MB, {vocabulary.size:,} tokens")
    for what, start, end in zip(("training", "vocabulary.json", "report"), times, times[1:], strict=False):
        print(f"{what:16} {end - start:6.2f} s")
    for one in found["tokenizers"]:
        languages = "  ".join(f"{name} {figures['bytes_per_token']:.2f}" for name, figures in one["languages"].items())
        print(f"{one['name']:22} {one['size']:8,} {one['bytes_per_token']:.3f} bytes a token   {languages}")
    if arguments.out:
        write_report(found, arguments.out / "index.html")


if __name__ == "__main__":
    main()
