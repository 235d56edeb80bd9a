from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.data.lake.document import SCHEMA
from ownlm.pipeline.progress import SilentProgress
from ownlm.tokens.corpus import CorpusTable
from ownlm.tokens.vocabulary import usage as module
from ownlm.tokens.vocabulary.sample import Weights, draw_sample
from ownlm.tokens.vocabulary.usage import MANY, Usage, usage_of
from tests.tokens.corpora import program, rows, small

SIZE = 12
DOCUMENTS = st.lists(
    st.tuples(st.lists(st.integers(0, SIZE - 1), max_size=12), st.sampled_from([f"r{n}" for n in range(MANY + 3)])),
    max_size=40,
)


@given(DOCUMENTS, st.integers(1, 4))
def test_counts_are_those_of_sets_and_counters(documents: list[tuple[list[int], str]], least: int) -> None:
    usage = Usage(SIZE)
    times: Counter[int] = Counter()
    repositories, inside = defaultdict(set), defaultdict(list)
    of_repository: Counter[str] = Counter()
    for number, (ids, repository) in enumerate(documents):
        usage.add(ids, repository, f"path {number}")
        times.update(ids)
        of_repository[repository] += len(ids)
        for token in set(ids):
            repositories[token].add(repository)
            inside[token].append(f"path {number}")
    assert usage.times.tolist() == [times[token] for token in range(SIZE)]
    assert usage.repositories.tolist() == [min(len(repositories[token]), MANY) for token in range(SIZE)]
    assert usage.repository_count == len({repository for _, repository in documents})
    assert usage.tokens == times.total()
    expected = {
        token: (times[token], len(inside[token]), *repositories[token], inside[token][0])
        for token in range(SIZE)
        if len(repositories[token]) == 1 and times[token] >= least
    }
    found = usage.alone(least)
    assert {one.token: (one.times, one.documents, one.repository, one.path) for one in found} == expected
    for one in found:
        assert one.share == of_repository[one.repository] / times.total()
    surprises = [one.surprise for one in found]
    assert surprises == sorted(surprises, reverse=True)


def test_what_is_rare_everywhere_is_less_surprising_than_what_one_small_repository_repeats() -> None:
    usage = Usage(4)
    usage.add([0] * 900 + [1] * 30, "large", "a")
    usage.add([0] * 40 + [2] * 30, "small", "b")
    alone = usage.alone(2)
    assert [one.token for one in alone] == [2, 1]
    assert alone[0].surprise == pytest.approx(-30 * math.log2(70 / 1000))
    one = Usage(4)
    one.add([3] * 9, "only", "c")
    assert one.alone(2)[0].surprise == 0


def test_tokens_of_held_out_documents_are_used_and_belong_to_no_repository() -> None:
    usage = Usage(4)
    usage.add([0, 0, 1], "r", "p")
    usage.elsewhere([[1, 2], [], [2]])
    assert usage.unused.tolist() == [3]
    assert usage.repositories.tolist() == [1, 1, 0, 0]
    assert usage.times.tolist() == [2, 1, 0, 0]
    assert usage.held_out.tolist() == [0, 1, 2, 0]


def table(path: Path, documents: list[dict[str, object]], files: int = 1) -> CorpusTable:
    folder = path / "language=Python"
    folder.mkdir(parents=True)
    share = -(-len(documents) // files)
    for number in range(files):
        part = pa.Table.from_pylist(documents[number * share : (number + 1) * share], schema=SCHEMA)
        pq.write_table(part, folder / f"part-{number:05d}.parquet")
    return CorpusTable(path)


def test_a_sample_is_counted_document_by_document(tmp_path: Path) -> None:
    vocabulary = small()[1]
    texts = [program(seed) for seed in range(20)]
    documents = rows(texts)
    for document in documents[:5]:
        document["repo"] = ""
    sample = draw_sample(table(tmp_path / "one", documents, files=3), 0, 10**9)
    usage = usage_of(vocabulary, sample, SilentProgress())
    expected = np.bincount(np.concatenate(vocabulary.encode_batch(texts)), minlength=vocabulary.size)
    assert usage.times.tolist() == expected.tolist()
    assert usage.repository_count == 4, "test, the source of five, and three repositories"
    assert (usage.documents, usage.bytes) == (20, sum(len(text.encode()) for text in texts))
    assert {"test", "repo-1", "repo-2", "repo-3"} >= {one.repository for one in usage.alone(1)}


def test_of_a_large_sample_a_part_is_counted_drawn_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = small()[1]
    sample = draw_sample(table(tmp_path, rows([program(seed) for seed in range(60)])), 3, 10**9, Weights({"test": 1.5}))
    monkeypatch.setattr(module, "LEAST_BYTES", 0)
    monkeypatch.setattr(module, "BYTES_PER_TOKEN", sample.bytes // 2 // vocabulary.size)
    usage = usage_of(vocabulary, sample, SilentProgress())
    assert 0.4 * sample.bytes < usage.bytes <= sample.bytes // 2
    part = draw_sample(sample.table, 3, sample.bytes // 2 // vocabulary.size * vocabulary.size, sample.weights)
    assert usage.times.sum() == sum(map(len, vocabulary.encode_batch(list(part))))
