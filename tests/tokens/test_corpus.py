from __future__ import annotations

from pathlib import Path

import pytest

from ownlm.errors import ArtifactError
from ownlm.tokens.corpus import CorpusTable
from tests.tokens.corpora import write_table


def test_rows_come_in_table_order(tmp_path: Path) -> None:
    write_table(tmp_path, [f"x = {number}\n" for number in range(1300)], files=3)
    write_table(tmp_path, ["int x;\n"], language="C")
    found = [text for batch in CorpusTable(tmp_path).batches(["content"]) for text in batch.column(0).to_pylist()]
    assert found == ["int x;\n", *(f"x = {number}\n" for number in range(1300))]


def test_size_counts_documents_and_bytes(tmp_path: Path) -> None:
    assert CorpusTable(write_table(tmp_path, ["größe", "", "ab"], files=2)).size() == (3, 9)


def test_a_missing_split_is_empty(tmp_path: Path) -> None:
    assert CorpusTable(tmp_path / "nothing").size() == (0, 0)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not a table at all"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes) -> None:
    write_table(tmp_path, ["x"])
    file = tmp_path / "language=Python/part-00000.parquet"
    file.write_bytes(damage)
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        CorpusTable(tmp_path).size()
    assert str(file) in str(caught.value)


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    write_table(tmp_path, [f"number {number}" * 50 for number in range(500)])
    file = tmp_path / "language=Python/part-00000.parquet"
    data = bytearray(file.read_bytes())
    data[4:3000] = bytes(2996)
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match="cannot be read"):
        list(CorpusTable(tmp_path).batches(["id", "content", "size"]))


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "language=C").mkdir()
    pq.write_table(pa.table({"content": ["x"]}), tmp_path / "language=C/part-00000.parquet")
    with pytest.raises(ArtifactError, match="no column id"):
        list(CorpusTable(tmp_path).batches(["id", "content"]))


def test_a_part_is_one_language(tmp_path: Path) -> None:
    write_table(write_table(tmp_path, ["a", "b"], files=2), ["c"], language="C#")
    whole = CorpusTable(tmp_path)
    assert whole.parts == ["language=C#", "language=Python"]
    parts = [CorpusTable(tmp_path, part) for part in whole.parts]
    assert [part.size() for part in parts] == [(1, 1), (2, 2)]
    assert sorted(file for part in parts for file in part.files) == whole.files
