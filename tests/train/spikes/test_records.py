"""What steps saw comes back to the last bit, also after a kill in the middle of a record."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ownlm.errors import ArtifactError, StorageError
from ownlm.train.spikes.records import Record, StepRecords, read_run, write_run

floats = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(floats, floats, st.integers(0, 2**40)), max_size=8), st.integers(0, 47), st.integers(0, 9))
def test_there_and_back(tmp_path_factory: pytest.TempPathFactory, seen: list[tuple[float, float, int]], torn: int,
                        until: int) -> None:  # fmt: skip
    records = StepRecords(tmp_path_factory.mktemp("records") / "log" / "steps.bin")
    made = [Record(n, n + 3, nats, norm, labels, 5) for n, (nats, norm, labels) in enumerate(seen, start=1)]
    for record in made:
        records.add(record)
    if made:
        with records.path.open("ab") as stream:
            stream.write(b"x" * torn)
    found = records.read()
    assert len(found) == len(made)
    assert all(one.same_bits(other) for one, other in zip(found, made, strict=True))
    records.rewind(until)
    assert [one.step for one in records.read()] == [one.step for one in made if one.step <= until]
    records.add(Record(99, 0, 1.0, 1.0, 1, 1))
    assert records.read()[-1].step == 99


def test_one_bit_is_a_difference() -> None:
    one = Record(1, 0, 2.0, 1.0, 4, 9)
    assert one.loss == 0.5
    assert one.same_bits(Record(1, 0, 2.0, 1.0, 4, 9))
    assert not one.same_bits(Record(1, 0, math.nextafter(2.0, 3.0), 1.0, 4, 9))
    assert Record(1, 0, math.nan, 1.0, 4, 9).same_bits(Record(1, 0, math.nan, 1.0, 4, 9))


def test_how_a_run_was_computed_is_told_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "log" / "run.json"
    made_of: dict[str, JsonValue] = {"config": {}, "inputs": {}}
    for step, machine in ((0, "a"), (10, "a"), (20, "b"), (15, "c")):
        write_run(path, step, {"machine": machine}, made_of)
    told = [(one["from"], one["execution"]["machine"]) for one in read_run(path)["computed"]]
    assert told == [(0, "a"), (15, "c")]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="does not say which run"):
        read_run(tmp_path / "run.json")
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ArtifactError, match="does not say which run"):
        read_run(tmp_path / "run.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        StepRecords(tmp_path / "file" / "steps.bin").add(Record(1, 0, 1.0, 1.0, 1, 1))
