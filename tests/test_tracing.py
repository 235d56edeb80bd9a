"""`ownlm shards who` over a real run: what it says against what the training loop read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ownlm import flow
from ownlm.looking import visible
from ownlm.pipeline.store import Store
from ownlm.recipe.load import load_recipe
from ownlm.tokens.shards.batches import Batch
from ownlm.tokens.vocabulary.load import Vocabulary
from ownlm.train.spikes.records import STEPS, StepRecords
from ownlm.train.step import Measured, Stepper
from tests.test_cli import Ownlm, ownlm, refused  # noqa: F401 - the fixture
from tests.tokens.corpora import program
from tests.toy_run import carry_out

RECIPE = """name: traced
sources:
  - directory: {{path: {code}}}
clean: {{}}
vocabulary: {{size: 540}}
shards: {{context: 48}}
objectives: {{fill_in_the_middle: {{rate: 0.4}}, ul2: {{rate: 0.3}}}}
model: {{size: 1m, d_model: 32, layers: 1, heads: 2, kv_heads: 1, d_ff: 48}}
train: {{steps: 6, batch: 3, accumulate: 2, seed: 11, compile: "off", eval_every: 0}}
serve: {{port: 0}}
"""
EVIL = "evil{}-\x1b[2J :smile: [red].py"


@dataclass
class Traced:
    """A run up to the trained model, and the batches its loop read, step after step."""

    home: Path
    contents: dict[str, bytes]
    steps: list[list[Batch]]
    vocabulary: Vocabulary


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    code = folder / "code"
    contents = {}
    for number in range(60):
        name = EVIL.format(number) if number % 3 == 0 else f"part{number}.py"
        path = code / f"package{number % 12}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program(number, functions=4), encoding="utf-8")
        contents[f"{path.relative_to(code)}"] = path.read_bytes()
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(code=json.dumps(str(code))), encoding="utf-8")
    steps: list[list[Batch]] = []
    gradient, whole = Stepper.gradient, flow.stages_of

    def recorded(self: Stepper, batches: list[Batch]) -> Measured:
        steps.append(list(batches))
        return gradient(self, batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stepper, "gradient", recorded)
        patch.setattr("ownlm.runs.stages_of", lambda recipe: whole(recipe)[:-2])
        store = Store(folder / "home")
        results = carry_out(load_recipe(recipe), store)
    yield Traced(store.home, contents, steps, Vocabulary.load(results["vocabulary"].artifact.path))
    shutil.rmtree(folder)


def asked(ownlm: Ownlm, traced: Traced, *arguments: object) -> dict[str, Any]:  # noqa: F811
    done = ownlm("shards", "who", *map(str, arguments), "--json", "--home", traced.home)
    assert done.code == 0, done
    values: dict[str, Any] = json.loads(done.out)
    return values


def test_it_says_what_the_training_loop_read(ownlm: Ownlm, traced: Traced) -> None:  # noqa: F811
    """Bytes of the named files, decoded from the very arrays training was given."""
    assert len(traced.steps) == 6
    by_hash = {hashlib.sha256(content).hexdigest(): content for content in traced.contents.values()}
    table, objectives = traced.vocabulary.token_bytes, set()
    for number, batches in enumerate(traced.steps, start=1):
        answer = asked(ownlm, traced, "--step", number)
        rows = [row for batch in batches for row in batch.tokens_BL.tolist()]
        assert {entry["row"] for entry in answer["stretches"]} == set(range(len(rows))) == set(range(6))
        for entry in answer["stretches"]:
            content = by_hash[entry["document"]]
            assert any(name.endswith(entry["path"]) and content == traced.contents[name] for name in traced.contents), (
                entry
            )
            ids = rows[entry["row"]][slice(*entry["columns"])]
            text = content[slice(*entry["bytes"])]
            if entry["objective"] == "next_token":
                assert b"".join(table[token] for token in ids) == text
            else:
                # Every run of text between markers is text of that stretch.
                assert all(part in text for part in runs(ids, table, traced.vocabulary.special.count))
            objectives.add(entry["objective"])
    assert objectives == {"next_token", "fill_in_the_middle", "ul2"}


def runs(ids: list[int], table: list[bytes], specials: int) -> list[bytes]:
    """The texts between special tokens; suffix-first layouts hold prefix and middle in one."""
    parts: list[list[bytes]] = [[]]
    for token in ids:
        if token < specials:
            parts.append([])
        else:
            parts[-1].append(table[token])
    return [b"".join(part) for part in parts]


def test_one_token(ownlm: Ownlm, traced: Traced) -> None:  # noqa: F811
    rows = [row for batch in traced.steps[3] for row in batch.tokens_BL.tolist()]
    table = traced.vocabulary.token_bytes
    by_hash = {hashlib.sha256(content).hexdigest(): content for content in traced.contents.values()}
    for column in range(0, 48, 7):
        answer = asked(ownlm, traced, "--step", 4, "--row", 5, "--position", column, "--run", "traced")
        [stretch], token = answer["stretches"], answer["token"]
        assert (token["column"], token["id"]) == (column, rows[5][column])
        assert stretch["columns"][0] <= column < stretch["columns"][1]
        if token["bytes"] is not None:
            assert by_hash[stretch["document"]][slice(*token["bytes"])] == table[token["id"]]


def test_a_person_reads_lines_that_cannot_move_the_cursor_and_cut_nothing_off(
    ownlm: Ownlm,  # noqa: F811
    traced: Traced,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At any width: ids and paths are in one piece, to be copied and searched for."""
    shown: dict[int, str] = {}
    for width in (40, 80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        done = ownlm("shards", "who", "--step", 6, "--home", traced.home)
        assert done.code == 0, done
        shown[width] = done.out
    assert shown[40] == shown[80] == shown[200]
    lines, answer = [line.strip() for line in shown[80].splitlines()], asked(ownlm, traced, "--step", 6)
    assert lines[0].startswith("run traced, step 6: rows 6, context 48")
    assert len(lines) == 2 + 3 * len(answer["stretches"])
    for number, entry in enumerate(answer["stretches"]):
        head, where, identity = lines[2 + 3 * number : 5 + 3 * number]
        columns, tokens = ("{}..{}".format(*entry[name]) for name in ("columns", "tokens"))
        assert head.split()[:3] == [str(entry["row"]), columns, tokens]
        assert entry["objective"].replace("_", " ") in head
        assert where == f"{entry['repo']}: {visible(entry['path'])}, from {entry['source']}"
        assert identity == entry["document"]
    assert any("\x1b[2J :smile: [red]" in entry["path"] for entry in answer["stretches"])
    assert "[2J :smile: [red].py" in shown[80]
    assert "\x1b" not in shown[80]
    one = ownlm("shards", "who", "--step", 2, "--row", 1, "--position", 0, "--home", traced.home)
    assert one.code == 0, one
    assert "token of it" in one.out


def test_a_step_behind_data_that_were_left_out_is_found_where_it_read(
    ownlm: Ownlm,  # noqa: F811
    traced: Traced,
    tmp_path: Path,
) -> None:
    """After a rewind that left the data of two steps out, the log of the run says what each later step read."""
    home = tmp_path / "copy"
    shutil.copytree(traced.home, home)
    record = json.loads((home / "runs" / "traced" / "run.json").read_text())
    log = StepRecords(home / "artifacts" / record["stages"]["train"] / STEPS)
    records = log.read()
    assert [(one.step, one.data_step) for one in records] == [(step, step - 1) for step in range(1, 7)]
    log.path.unlink()
    for one in records:
        log.add(replace(one, data_step=one.data_step + 2 * (one.step > 2)))
    moved = replace(traced, home=home)
    for step, data_step in ((2, 1), (3, 4), (4, 5)):
        answer, expected = asked(ownlm, moved, "--step", step), asked(ownlm, traced, "--step", data_step + 1)
        assert (answer["data_step"], answer["stretches"]) == (data_step, expected["stretches"])
    assert asked(ownlm, moved, "--step", 6)["stretches"], "beyond the run's own number of steps"
    assert "step 4, data of step 6: rows 6" in ownlm("shards", "who", "--step", 4, "--home", home).out


def test_what_is_not_there_is_refused(ownlm: Ownlm, traced: Traced) -> None:  # noqa: F811
    def who(*arguments: object, home: Path = traced.home) -> Any:
        return ownlm("shards", "who", *map(str, arguments), "--home", home)

    refused(who("--step", 7), 3, "no step 7", "from 1 to 6")
    refused(who("--step", 0), 3, "no step 0")
    refused(who("--step", 1, "--row", 6), 3, "no row 6", "from 0 to 5")
    refused(who("--step", 1, "--row", 0, "--position", 48), 3, "no column 48")
    refused(who("--step", 1, "--position", 3), 3, "--row")
    refused(who("--step", 1, "--run", "other"), 3, "no run called 'other'", "traced")
    refused(who("--step", 1, home=traced.home.parent / "empty"), 3, "Nothing was run here yet")
    assert who().code == 2


def test_damage_is_named(ownlm: Ownlm, traced: Traced, tmp_path: Path) -> None:  # noqa: F811
    home = tmp_path / "copy"
    shutil.copytree(traced.home, home)
    record = json.loads((home / "runs" / "traced" / "run.json").read_text())
    shard = home / "artifacts" / record["stages"]["shards"] / "train" / "tokens-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-2])
    refused(ownlm("shards", "who", "--step", "1", "--home", home), 4, "tokens-00000.bin")
    shutil.rmtree(home / "artifacts" / record["stages"]["shards"])
    refused(ownlm("shards", "who", "--step", "1", "--home", home), 4, record["stages"]["shards"])
    del record["stages"]["shards"]
    (home / "runs" / "traced" / "run.json").write_text(json.dumps(record))
    refused(ownlm("shards", "who", "--step", "1", "--home", home), 3, "has not reached shards")


def test_without_the_corpus_only_revisions_are_missing(
    ownlm: Ownlm,  # noqa: F811
    traced: Traced,
    tmp_path: Path,
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(traced.home, home)
    record = json.loads((home / "runs" / "traced" / "run.json").read_text())
    before = json.loads(ownlm("shards", "who", "--step", "2", "--json", "--home", home).out)
    shutil.rmtree(home / "artifacts" / record["stages"]["corpus"])
    after = json.loads(ownlm("shards", "who", "--step", "2", "--json", "--home", home).out)
    assert all(entry["revision"] is None for entry in after["stretches"])
    assert [entry | {"revision": None} for entry in before["stretches"]] == after["stretches"]
