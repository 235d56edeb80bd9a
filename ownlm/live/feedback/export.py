"""Training data from feedback: a table of documents and preference pairs, in a folder that is there whole or not.

    DIR/documents.parquet         `ownlm.data.lake.document.SCHEMA`: a source of the next recipe
    DIR/pairs/train.parquet       and .jsonl: prompt, suffix, chosen, rejected, and where they come from
    DIR/pairs/validation.parquet  and .jsonl: of other files than those of training
    DIR/export.json               what was counted

What holds text of benchmarks is left out, if they are named: the recipe's cleaning does that for documents
(`decontamination`), but nobody cleans pairs after this.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ownlm.data.lake.document import SCHEMA, Document, documents_batch
from ownlm.errors import InputError, StorageError
from ownlm.live.feedback.benchmarks import Benchmarks
from ownlm.live.feedback.documents import documents
from ownlm.live.feedback.pairs import Pair, pairs
from ownlm.live.feedback.store import Store
from ownlm.live.feedback.texts import judged_choices

PAIR_SCHEMA = pa.schema(
    [
        pa.field(name, pa.int64() if name.endswith("_choice") else pa.string(), nullable=False)
        for name in (
            *("prompt", "suffix", "chosen", "rejected", "language"),
            *(f"{side}_{what}" for side in ("chosen", "rejected") for what in ("completion", "choice", "version")),
        )
    ]
)
_ROWS = 500
_TAIL = 200


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        documents: rows of the table.
        pairs: for training.
        held_out: pairs for validation.
        left_out: pairs of validation that training has, too, from another file: in neither.
        benchmark_documents: not written, for they hold text of a benchmark.
        benchmark_pairs: the same of pairs.
        source: lines of a recipe's `sources` that read the documents.
    """

    documents: int
    pairs: int
    held_out: int
    left_out: int
    benchmark_documents: int
    benchmark_pairs: int
    source: str


def export(
    store: Store,
    to: Path,
    *,
    since: float | None = None,
    held_out: float = 0.05,
    benchmarks: Sequence[Path] = (),
) -> Exported:
    """Write documents and pairs of a store.

    Args:
        store: an open one.
        to: the folder.
        since: only completions from then on, seconds since 1970.
        held_out: share of the files whose pairs are for validation.
        benchmarks: files and folders of which nothing is written.

    Raises:
        InputError: the folder holds something, or a benchmark cannot be read.
        StorageError: it cannot be written.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError("There is something already.", where=to, advice="Choose another folder, or empty this one.")
    kept = Benchmarks(benchmarks)
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        (temporary / "pairs").mkdir(parents=True)
        rows = _write_documents(
            kept.clean_documents(documents(judged_choices(store, since))), temporary / "documents.parquet"
        )
        found = kept.clean_pairs(pairs(judged_choices(store, since)))
        train, validation, left_out = _divided(found, held_out)
        for name, chosen in (("train", train), ("validation", validation)):
            _write_pairs(temporary / "pairs" / name, chosen)
        taken_out = (kept.documents, kept.pairs)
        made = Exported(rows, len(train), len(validation), left_out, *taken_out, recipe_source(to))
        counts = {key: value for key, value in asdict(made).items() if key != "source"}
        (temporary / "export.json").write_text(json.dumps(counts | {"since": since}, indent=1) + "\n")
        if to.exists():
            to.rmdir()
        temporary.replace(to)
    except OSError as error:
        advice = "Free disk space or make the folder writable, then run the same command again."
        raise StorageError(f"The export cannot be written ({error.strerror}).", where=to, advice=advice) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


def recipe_source(folder: Path) -> str:
    """The entry of a recipe's `sources` that reads the exported documents."""
    path = json.dumps(str((folder / "documents.parquet").absolute()), ensure_ascii=False)
    attributes = ", ".join(f"{name}: attributes.{name}" for name in ("completion", "choice", "version", "channel"))
    columns = f"repo: repo, license: licenses, attributes: {{{attributes}}}"
    return f"  - parquet: {{path: {path}, name: feedback, columns: {{{columns}}}}}"


def _write_documents(found: Iterator[Document], path: Path) -> int:
    rows = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while some := list(islice(found, _ROWS)):
            writer.write_batch(documents_batch(some))
            rows += len(some)
    return rows


def _divided(found: Iterable[Pair], share: float) -> tuple[list[Pair], list[Pair], int]:
    """Pairs for training, pairs for validation, and how many are in neither because training has the same text.

    Pairs of one file are on one side. The same words may stand in two files: such pairs of validation are left out.
    """
    train: list[Pair] = []
    validation: list[Pair] = []
    seen: set[tuple[str, ...]] = set()
    for pair in found:
        text = (pair.prompt, pair.suffix, pair.chosen, pair.rejected)
        if text in seen:
            continue
        seen.add(text)
        (validation if pair.held_out_at < share else train).append(pair)
    known = {_words(pair) for pair in train}
    clean = [pair for pair in validation if _words(pair) not in known]
    return train, clean, len(validation) - len(clean)


def _words(pair: Pair) -> tuple[str, str]:
    """By what two pairs are taken for the same question with the same answer."""
    return " ".join(pair.prompt[-_TAIL:].split()), " ".join(pair.chosen.split())


def _write_pairs(path: Path, chosen: list[Pair]) -> None:
    rows = [pair.plain() for pair in chosen]
    pq.write_table(pa.Table.from_pylist(rows, schema=PAIR_SCHEMA), path.with_suffix(".parquet"), compression="zstd")
    with path.with_suffix(".jsonl").open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(_lines(rows))


def _lines(rows: Iterable[dict[str, str | int]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"
