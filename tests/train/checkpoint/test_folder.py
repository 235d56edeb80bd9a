from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import StorageError
from ownlm.train.checkpoint import Checkpoint, CheckpointFolder, Stored


def checkpoint(step: int, size: int = 50) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    tensors = {"weights/a": torch.randn(size, generator=generator), "optimizer/a/step": torch.tensor(float(step))}
    return Checkpoint(step, tensors, {"seconds": 1.25 * step, "note": [step, None]})


def assert_same(stored: Stored | None, wanted: Checkpoint) -> None:
    assert stored is not None
    found = stored.whole()
    assert (found.step, found.progress) == (wanted.step, wanted.progress)
    assert found.tensors.keys() == wanted.tensors.keys()
    assert all(torch.equal(found.tensors[name], wanted.tensors[name]) for name in wanted.tensors)


def filled(path: Path, steps: list[int]) -> CheckpointFolder:
    folder = CheckpointFolder(path, "f")
    for step in steps:
        folder.save(checkpoint(step))
    return folder


def test_the_newest_is_read_back(tmp_path: Path) -> None:
    assert_same(filled(tmp_path / "c", [5, 10, 15]).newest(), checkpoint(15))


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "none", "f").newest() is None


def test_only_the_last_are_kept(tmp_path: Path) -> None:
    filled(tmp_path, [1, 2, 3, 400, 5000])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000400", "step-00005000"]


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    assert_same(filled(tmp_path, [1, 2, 2]).newest(), checkpoint(2))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["rank-00000.safetensors", "checkpoint.json"]), st.data())
def test_any_damage_to_the_newest_leads_to_the_one_before(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Cut anywhere, or flip any bit anywhere."""
    tmp_path = tmp_path_factory.mktemp("damage")
    folder = filled(tmp_path, [1, 2])
    file = tmp_path / "step-00000002" / name
    raw = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 2))
    if data.draw(st.booleans()):
        raw = raw[:place]
    else:
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(raw)
    found = folder.newest()
    try:
        assert_same(found, checkpoint(1))
    except AssertionError:  # damage to white space between JSON values is none
        assert name == "checkpoint.json"
        assert_same(found, checkpoint(2))


@pytest.mark.parametrize("name", ["rank-00000.safetensors", "checkpoint.json"])
def test_a_missing_file_leads_to_the_one_before(tmp_path: Path, name: str) -> None:
    folder = filled(tmp_path, [1, 2])
    (tmp_path / "step-00000002" / name).unlink()
    assert_same(folder.newest(), checkpoint(1))


def test_all_damaged_means_none(tmp_path: Path) -> None:
    folder = filled(tmp_path, [1, 2])
    for file in tmp_path.glob("*/checkpoint.json"):
        file.write_text("[]")
    assert folder.newest() is None
    assert list(tmp_path.iterdir()) == []


def test_a_save_under_way_is_never_read(tmp_path: Path) -> None:
    folder = filled(tmp_path, [1])
    (tmp_path / "step-00000001").rename(tmp_path / ".step-00000009.new")
    assert folder.newest() is None
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path) -> None:
    filled(tmp_path, [1, 2])
    assert CheckpointFolder(tmp_path, "g").newest() is None


def test_the_step_cannot_be_forged(tmp_path: Path) -> None:
    folder = filled(tmp_path, [1, 2])
    file = tmp_path / "step-00000002" / "checkpoint.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"step": 7}))
    assert_same(folder.newest(), checkpoint(1))


FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from ownlm.errors import StorageError
from tests.train.checkpoint.test_folder import checkpoint, filled
folder = filled(Path(sys.argv[1]), [1, 2])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    folder.save(checkpoint(3, size=100_000))
except StorageError as error:
    print(error)
    sys.exit(5)
"""


def test_a_disk_that_takes_no_more_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    """A real refusal by the kernel in the middle of the tensors."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "checkpoint of step 3 cannot be written" in done.stdout
    assert "what to do" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]
    assert_same(CheckpointFolder(tmp_path, "f").newest(), checkpoint(2))


NO_WRITES = """
import subprocess, sys
from pathlib import Path
from ownlm.errors import StorageError
from tests.train.checkpoint.test_folder import assert_same, checkpoint, filled
path = sys.argv[1]

def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)

def refused(size):
    try:
        folder.save(checkpoint(3, size))
    except StorageError as error:
        print(error)
    assert_same(folder.newest(), checkpoint(2))

mount("-t", "tmpfs", "-o", "size=100k", "tmpfs", path)
folder = filled(Path(path), [1, 2])
refused(100_000)
mount("-o", "remount,ro", path)
refused(10)
"""


@pytest.mark.slow
def test_a_full_and_a_read_only_file_system(tmp_path: Path) -> None:
    """Real ones, mounted for a process of its own."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "mount", "-t", "tmpfs", "tmpfs", tmp_path], check=False, capture_output=True).returncode:
        pytest.skip("no mounts in a namespace")
    command = [*alone, sys.executable, "-c", NO_WRITES, str(tmp_path)]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be written: [Errno 28] No space left on device" in done.stdout
    assert "cannot be written: [Errno 30] Read-only file system" in done.stdout


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        CheckpointFolder(tmp_path / "file", "f").save(checkpoint(1))
