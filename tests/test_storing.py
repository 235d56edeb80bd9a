"""A recipe whose shards are in an S3 storage, from packing to training; `ownlm shards verify` and `push`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from ownlm import flow
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.store import Store
from ownlm.recipe.load import load_recipe
from ownlm.tokens.shards.reader import ShardReader
from tests.test_cli import Ownlm, ownlm, refused  # noqa: F401 - the fixture
from tests.tokens.corpora import program
from tests.tokens.shards import s3
from tests.toy_run import carry_out

pytest.importorskip("s3fs")
RECIPE = """name: {name}
sources:
  - directory: {{path: {code}}}
clean: {{}}
vocabulary: {{size: 540}}
shards: {{context: 48, shard_mb: 0.004, {shards}}}
model: {{size: 1m, d_model: 32, layers: 1, heads: 2, kv_heads: 1, d_ff: 48}}
train: {{steps: 3, batch: 3, compile: "off", eval_every: 0}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[s3.Server]:
    with s3.serving() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Code, and recipes that differ in where the shards are."""
    folder = tmp_path_factory.mktemp("stored")
    for number in range(40):
        path = folder / f"code/package{number % 8}/part{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program(number, functions=4), encoding="utf-8")
    for name, shards in {
        "here": "",
        "stored": "store: s3://shards/one",
        "moved": "store: s3://shards/two",
        "squeezed": "format: mds, compression: zstd, store: s3://shards/one/",
    }.items():
        text = RECIPE.format(name=name, code=json.dumps(str(folder / "code")), shards=shards)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(server: s3.Server, folder: Path) -> dict[str, dict[str, Artifact]]:
    """Every recipe up to the trained model, in one home."""
    whole, store, found = flow.stages_of, Store(folder / "home"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ownlm.runs.stages_of", lambda recipe: whole(recipe)[:-2])
        for name in ("here", "stored", "moved", "squeezed"):
            results = carry_out(load_recipe(folder / f"{name}.yaml"), store)
            found[name] = {stage: result.artifact for stage, result in results.items()}
    return found


def shard_files(artifact: Artifact) -> list[str]:
    return [name for name in artifact.manifest.files if name.endswith((".bin", ".mds", ".zstd"))]


def test_the_artifact_keeps_what_describes_and_training_reads_the_rest(made: dict[str, dict[str, Artifact]]) -> None:
    here, stored = made["here"], made["stored"]
    assert len(shard_files(here["shards"])) > 5
    assert shard_files(stored["shards"]) == []
    assert {"train/index.json", "train/documents.parquet", "train/store.json"} <= set(stored["shards"].manifest.files)
    for name in ("train/index.json", "train/documents.parquet"):
        assert stored["shards"].manifest.files[name] == here["shards"].manifest.files[name]
    for other in ("stored", "moved", "squeezed"):
        assert (
            made[other]["train"].manifest.files["model.safetensors"]
            == here["train"].manifest.files["model.safetensors"]
        )


def test_another_store_trains_nothing_again(made: dict[str, dict[str, Artifact]]) -> None:
    """The shards artifact is another one, what is trained on is not."""
    assert made["stored"]["shards"].id != made["moved"]["shards"].id
    assert made["stored"]["shards"].manifest.content == made["moved"]["shards"].manifest.content
    assert made["stored"]["train"].id == made["moved"]["train"].id


@pytest.mark.parametrize("name", ["stored", "squeezed"])
def test_another_machine_reads_them_through_its_own_cache(
    name: str, made: dict[str, dict[str, Artifact]], server: s3.Server, tmp_path: Path
) -> None:
    folder, home = made[name]["shards"].path / "train", made["here"]["shards"].path / "train"
    server.requests.clear()
    assert ShardReader(folder, cache=tmp_path).tokens[:].tolist() == ShardReader(home).tokens[:].tolist()
    fetched = sum(server.count("GET", end) for end in (".bin", ".zstd"))
    assert fetched == len(ShardReader(folder, cache=tmp_path)._split.shards)
    ShardReader(folder, cache=tmp_path).tokens[:]
    assert sum(server.count("GET", end) for end in (".bin", ".zstd")) == fetched


def test_who_reads_through_the_cache(ownlm: Ownlm, made: dict[str, dict[str, Artifact]], folder: Path) -> None:  # noqa: F811
    said = {}
    for name in ("here", "stored"):
        done = ownlm("shards", "who", "--run", name, "--step", "2", "--json", "--home", folder / "home")
        assert done.code == 0, done
        said[name] = json.loads(done.out)["stretches"]
    assert said["here"] == said["stored"]


def test_no_secret_is_left_anywhere(made: dict[str, dict[str, Artifact]], folder: Path) -> None:
    for file in (folder / "home").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(secret.encode() in content for secret in s3.KEYS.values()), file


def test_verify_finds_nothing_in_whole_shards(
    ownlm: Ownlm,  # noqa: F811
    made: dict[str, dict[str, Artifact]],
    folder: Path,
) -> None:
    shards = made["here"]["shards"].path
    for what in (folder / "here.yaml", folder / "squeezed.yaml", shards, shards / "train", url_of(made["stored"])):
        done = ownlm("shards", "verify", what, "--home", folder / "home")
        assert done.code == 0, done
        assert "all as their index says" in done.out


def url_of(made: dict[str, Artifact]) -> str:
    url: str = json.loads((made["shards"].path / "train/store.json").read_text())["url"]
    return url


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
@pytest.mark.parametrize("name", ["stored", "squeezed"])
def test_verify_names_every_damaged_shard_of_a_storage(
    name: str,
    damage: str,
    ownlm: Ownlm,  # noqa: F811
    made: dict[str, dict[str, Artifact]],
    folder: Path,
) -> None:
    system, url = fsspec.filesystem("s3"), url_of(made[name])
    files = sorted(one for one in system.find(url) if one.endswith((".bin", ".zstd")))
    whole = {one: system.cat_file(one) for one in (files[0], files[2])}
    try:
        for one, content in whole.items():
            if damage == "missing":
                system.rm(one)
            else:
                system.pipe_file(one, getattr(s3, damage)(content))
        for what in (url, folder / f"{name}.yaml"):
            done = ownlm("shards", "verify", what, "--home", folder / "home")
            refused(done, 4, "2 of ")
            assert done.out.count("what to do: delete this file in the storage") == 2
            assert all(f"s3://{one}" in done.out for one in whole)
    finally:
        for one, content in whole.items():
            system.pipe_file(one, content)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_verify_names_every_damaged_shard_of_a_folder(
    damage: str,
    ownlm: Ownlm,  # noqa: F811
    made: dict[str, dict[str, Artifact]],
    tmp_path: Path,
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made["here"]["shards"].path / "train", copy)
    for name in ("tokens-00001.bin", "documents.parquet"):
        if damage == "missing":
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(getattr(s3, damage)((copy / name).read_bytes()))
    done = ownlm("shards", "verify", copy)
    refused(done, 4, "2 of ")
    assert all(str(copy / name) in done.out for name in ("tokens-00001.bin", "documents.parquet"))
    (copy / "index.json").write_text("{}")
    refused(ownlm("shards", "verify", copy), 4, str(copy / "index.json"))


def test_verify_wants_shards(ownlm: Ownlm, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "empty").mkdir()
    refused(ownlm("shards", "verify", tmp_path / "empty"), 3, "index.json", "what to do")
    refused(ownlm("shards", "verify", "memory://no/shards"), 3, "index.json", "URL of a split", "ownlm shards push")
    refused(ownlm("shards", "verify", f"file://{tmp_path}/nowhere"), 3, "index.json", "what to do")
    refused(ownlm("shards", "verify", "s3://ann:hidden-word@shards/x"), 2, "environment")


def test_push_uploads_a_runs_shards_once(
    ownlm: Ownlm,  # noqa: F811
    made: dict[str, dict[str, Artifact]],
    server: s3.Server,
    folder: Path,
    tmp_path: Path,
) -> None:
    for name in ("here", "squeezed"):  # the second from one storage to another
        url = f"s3://shards/pushed-{name}"
        first = ownlm("shards", "push", folder / f"{name}.yaml", url, "--home", folder / "home")
        assert first.code == 0, first
        server.requests.clear()
        second = ownlm("shards", "push", folder / f"{name}.yaml", url, "--home", folder / "home")
        assert second.out.count("(0.0 MB sent)") == 3
        assert not [one for one in server.requests if one[0] in ("PUT", "POST")]
        where = next(line.split()[1] for line in second.out.splitlines() if line.startswith("train: "))
        reader = ShardReader(where, cache=tmp_path / name)
        assert reader.tokens[:].tolist() == ShardReader(made["here"]["shards"].path / "train").tokens[:].tolist()


@pytest.mark.parametrize(
    ("shards", "words"),
    [
        ("store: 's3://ann:hidden-word@shards/x'", "credentials"),
        ("store: 's3://shards/x?token=hidden-word'", "query"),
        ("store: somewhere", "not a URL"),
        ("compression: zstd", "format mds"),
    ],
)
def test_settings_that_cannot_be(shards: str, words: str, ownlm: Ownlm, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text(RECIPE.format(name="wrong", code=json.dumps(str(folder / "code")), shards=shards))
    done = ownlm("plan", recipe)
    refused(done, 2, words)
    assert "hidden-word" not in done.err + done.out
