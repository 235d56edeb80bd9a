"""Training data: documents that a recipe reads, pairs that do not leak, all or nothing on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ownlm.data.lake.document import SCHEMA, document_id
from ownlm.errors import InputError, StorageError
from ownlm.flow import stages_of
from ownlm.live.feedback.export import PAIR_SCHEMA, export
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store
from ownlm.live.feedback.texts import judged_choices
from ownlm.pipeline.run import Runner
from ownlm.pipeline.store import Store as RunStore
from ownlm.recipe.load import load_recipe
from tests.live.feedback.made import IDENTITY, NOON, row, row_with_text, told

CODE = "def mean(values):\n    return sum(values) / len(values)\n\n\n"


def fill(store: Store, files: int = 40) -> None:
    """In each file somebody types on past a dismissed text to an accepted one."""
    for number in range(files):
        before = CODE + f"def scale_{number}(values, by):\n    return "
        more: dict[str, Any] = {
            "user": f"user {number % 7}", "path": f"/home/user/src/file_{number}.py", "language": "Python",
            "suffix": ".py", "after": "\n",
        }  # fmt: skip
        text = f"value * by for value in values[{number}:]]"
        rows = [
            row_with_text(f"d{number}", prefix=before, texts=("None",), at=NOON, **more),
            row_with_text(f"a{number}", prefix=before + "[", texts=(text,), at=NOON + 5, **more),
        ]
        store.append(rows, [told(f"d{number}", "dismiss"), told(f"a{number}", "select")])


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store = Store(SqliteDatabase(tmp_path / "s.sqlite3"))
    fill(store)
    return store


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_documents_are_accepted_text_in_its_context(store: Store, tmp_path: Path) -> None:
    fill(store, 3)
    made = export(store, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "documents.parquet")
    assert table.schema.equals(SCHEMA)
    assert made.documents == 3
    first = table.to_pylist(maps_as_pydicts="lossy")[0]
    assert first["content"].endswith("    return [value * by for value in values[0:]]\n")
    assert first["id"] == document_id(first["content"].encode())
    assert (first["source"], first["path"], first["language"]) == ("feedback", "src/file_0.py", "Python")
    assert first["repo"] == f"feedback-{IDENTITY.person('user 0')[:12]}"
    assert first["attributes"] == {"channel": "", "choice": "0", "completion": "a0", "version": "v1"}


def test_a_later_document_takes_the_place_of_what_it_holds(store: Store) -> None:
    from ownlm.live.feedback.documents import documents

    def accept(name: str, prefix: str, text: str, path: str = "a.py") -> None:
        more = {"user": "ada", "path": path, "language": "Python", "after": "\n"}
        store.append([row_with_text(name, prefix=prefix, texts=(text,), **more)], [told(name, "select")])

    accept("1", "x = ", "1")
    accept("2", "x = 1\ny = ", "2")
    accept("elsewhere", "x = 1\nz = ", "3", "b.py")
    accept("3", "x = 1\ny = 2\nz = ", "3")
    accept("rewritten", "w = ", "4")
    accept("blank", "w = 4", "  ")
    assert [one.content for one in documents(judged_choices(store))] == [
        "x = 1\ny = 2\nz = 3\n", "x = 1\nz = 3\n", "w = 4\n",
    ]  # fmt: skip


def test_nothing_without_text_or_before_the_day_asked_for(filled: Store, tmp_path: Path) -> None:
    filled.append([row("no text")], [told("no text", "select")])
    assert export(filled, tmp_path / "a", since=NOON + 1).documents == 40
    none = export(filled, tmp_path / "b", since=NOON + 6)
    assert (none.documents, none.pairs, none.held_out) == (0, 0, 0)
    assert pq.read_table(tmp_path / "b" / "documents.parquet").schema.equals(SCHEMA)


def test_many_are_read_in_parts(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(judged_choices(filled))
    monkeypatch.setattr("ownlm.live.feedback.texts._AT_ONCE", 7)
    assert list(judged_choices(filled)) == whole
    assert len(whole) == 80


def test_pairs_and_their_split(filled: Store, tmp_path: Path) -> None:
    made = export(filled, tmp_path / "out", held_out=0.3)
    train, validation = (lines(tmp_path / "out" / "pairs" / f"{name}.jsonl") for name in ("train", "validation"))
    assert (len(train), len(validation)) == (made.pairs, made.held_out)
    assert made.pairs + made.held_out == 40
    assert made.held_out > 3
    assert not {one["prompt"] for one in train} & {one["prompt"] for one in validation}
    assert train[0]["chosen"].startswith("[value * by")
    assert train[0]["rejected"] == "None"
    table = pq.read_table(tmp_path / "out" / "pairs" / "train.parquet")
    assert table.schema.equals(PAIR_SCHEMA)
    assert table.to_pylist() == train
    counted = json.loads((tmp_path / "out" / "export.json").read_text())
    expected = {"documents": 40, "pairs": made.pairs, "held_out": made.held_out, "left_out": 0, "since": None}
    assert counted == expected | {"benchmark_documents": 0, "benchmark_pairs": 0}
    again = export(filled, tmp_path / "again", held_out=0.3)
    assert (again.pairs, again.held_out) == (made.pairs, made.held_out)
    assert (tmp_path / "again/pairs/train.jsonl").read_bytes() == (tmp_path / "out/pairs/train.jsonl").read_bytes()


def test_the_same_words_in_two_files_are_not_on_both_sides(tmp_path: Path) -> None:
    store = Store(SqliteDatabase(tmp_path / "s.sqlite3"))
    for number in range(30):  # one snippet, in files on both sides
        more: dict[str, Any] = {"user": f"u{number}", "path": f"f{number}.py", "language": "Python"}
        before = f"# {number}{' ' * 300}\nimport numpy as "
        rows = [row_with_text(f"d{number}", prefix=before, texts=("num",), **more)]
        rows += [row_with_text(f"e{number}", prefix=before, texts=("np",), **more)]
        store.append(rows[:1], [told(f"d{number}", "dismiss")])
        store.append(rows[1:], [told(f"e{number}", "select")])
    made = export(store, tmp_path / "out", held_out=0.5)
    assert made.pairs > 5
    assert made.held_out == 0
    assert made.left_out == 30 - made.pairs


def test_nothing_of_a_benchmark_is_written(filled: Store, tmp_path: Path) -> None:
    """File 3 holds a problem of one."""
    prompt = "def scale_3(values, by):\n    return [value * by for value in values[3:]]"
    problem = {
        "task_id": "b/0",
        "prompt": prompt,
        "solution": "return nothing that anybody ever wrote down in here",
    }
    benchmark = tmp_path / "benchmark.jsonl"
    benchmark.write_text(json.dumps(problem) + "\n")
    plain = export(filled, tmp_path / "plain")
    made = export(filled, tmp_path / "clean", benchmarks=[benchmark])
    written = [path.read_text() for path in (tmp_path / "clean/pairs").glob("*.jsonl")]
    assert "scale_3(" not in "".join(written)
    assert (made.benchmark_pairs, made.benchmark_documents) == (1, 1)
    assert made.pairs + made.held_out == plain.pairs + plain.held_out - 1
    documents = pq.read_table(tmp_path / "clean/documents.parquet")["content"].to_pylist()
    assert not any("scale_3(" in content for content in documents)
    assert len(documents) == made.documents == plain.documents - 1


def test_a_benchmark_that_is_not_there_is_said_before_anything_is_written(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        export(filled, tmp_path / "out", benchmarks=[tmp_path / "none.jsonl"])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="something already"):
        export(filled, tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    export(filled, tmp_path / "empty")
    with pytest.raises(StorageError):
        export(filled, tmp_path / "mine" / "thesis.txt" / "below")


def test_an_export_that_fails_leaves_nothing(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("ownlm.live.feedback.export._write_pairs", full)
    with pytest.raises(StorageError, match="No space left"):
        export(filled, tmp_path / "out")
    assert sorted(file.name for file in tmp_path.iterdir() if "sqlite" not in file.name) == []


def test_a_recipe_takes_the_documents_as_a_source(filled: Store, tmp_path: Path) -> None:
    """The stages that read sources and clean, run for real on what the export says to add."""
    made = export(filled, tmp_path / "out")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"name: next\nsources:\n{made.source}\n")
    loaded = load_recipe(recipe)
    assert loaded.sources[0].settings.label == "feedback"
    results = Runner(RunStore(tmp_path / "home"), recipe.read_text()).run(stages_of(loaded)[:2])
    lake, clean = (result.artifact.path for result in results.values())
    wanted = pq.read_table(tmp_path / "out" / "documents.parquet").to_pylist(maps_as_pydicts="lossy")
    for folder in (lake, clean):
        tables = [pq.read_table(file, partitioning=None) for file in sorted(folder.rglob("*.parquet"))]
        (table,) = [one for one in tables if one.num_rows and "content" in one.schema.names]
        found = {one["id"]: one for one in table.to_pylist(maps_as_pydicts="lossy")}
        assert len(found) == len(wanted) == 40
        for one in wanted:
            read = found[one["id"]]
            for name in ("source", "repo", "path", "language", "content", "size", "attributes"):
                assert read[name] == one[name], name
