"""Checkpoints at URLs, the rule, and places that refuse."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ownlm.errors import ArtifactError, StorageError
from ownlm.train.checkpoint import Checkpoint, CheckpointFolder, Saver, open_checkpoint
from ownlm.train.checkpoint.background import FAILURES
from ownlm.train.checkpoint.place import Address, Folder
from ownlm.train.config import CheckpointsConfig
from tests.tokens.shards.s3 import serving
from tests.train.checkpoint.test_folder import assert_same, checkpoint, filled


@pytest.fixture(params=["memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "memory":
        yield f"memory://{uuid.uuid4().hex}/run"
    elif request.param == "file":
        yield f"file://{tmp_path}/run"
    else:
        pytest.importorskip("moto.server")
        with serving():
            yield "s3://shards/run"


def test_a_url_keeps_checkpoints_like_a_folder(url: str) -> None:
    folder = CheckpointFolder(url, "f")
    for step in (1, 2, 3):
        folder.save(checkpoint(step))
    assert_same(folder.newest(), checkpoint(3))
    assert_same(folder.newest(until=2), checkpoint(2))
    assert folder.newest(until=1) is None
    assert_same(open_checkpoint(f"{url}/step-00000003"), checkpoint(3))
    folder.drop_after(2)
    assert_same(folder.newest(), checkpoint(2))


def test_a_file_cut_short_at_a_url_leads_to_the_one_before() -> None:
    url = f"memory://{uuid.uuid4().hex}/run"
    folder = CheckpointFolder(url, "f")
    folder.save(checkpoint(1))
    folder.save(checkpoint(2))
    place = Address(url)
    raw = place.read(2, "rank-00000.safetensors", 0, 10**6)
    with place.writing(2, "rank-00000.safetensors") as stream:
        stream.write(raw[:-3])
    assert_same(folder.newest(), checkpoint(1))


def test_without_a_description_at_a_url_there_is_no_checkpoint() -> None:
    url = f"memory://{uuid.uuid4().hex}/run"
    with Address(url).writing(5, "rank-00000.safetensors") as stream:
        stream.write(b"half")
    assert CheckpointFolder(url, "f").newest() is None


def test_the_rule(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, "f", CheckpointsConfig(keep_last=1, keep_every=10))
    for step in (0, 5, 10, 15, 20, 25, 30, 35):
        folder.save(checkpoint(step))
    assert sorted(Folder(tmp_path).steps()) == [10, 20, 30, 35]


def test_a_passed_over_checkpoint_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = filled(tmp_path, [1, 2])
    (tmp_path / "step-00000002" / "rank-00000.safetensors").write_bytes(b"")
    folder.newest()
    assert "step-00000002 is not used, but the one before it: rank-00000.safetensors has 0 bytes" in caplog.text


def test_failed_saves_end_the_run_at_the_third_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = filled(tmp_path, [1])
    saver, tensors = Saver(folder), {"a": torch.zeros(3)}
    saver.resumed()

    def full(self: Folder, step: int, name: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "writing", full)
        for step in range(2, 1 + FAILURES):
            saver.save(step, tensors, {})
            saver.wait()
    saver.save(9, tensors, {})  # room again: counting begins anew
    saver.wait()
    monkeypatch.setattr(Folder, "writing", full)
    for step in range(10, 9 + FAILURES):
        saver.save(step, tensors, {})
        saver.wait()
    saver.save(20, tensors, {})
    with pytest.raises(StorageError, match="No space left"):
        saver.wait()
    found = folder.newest()
    assert found is not None
    assert found.step == 9


def test_the_first_failed_save_ends_a_run_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    saver = Saver(CheckpointFolder(tmp_path / "file" / "in", "f"))
    saver.save(1, {"a": torch.zeros(3)}, {})
    with pytest.raises(StorageError, match="checkpoint of step 1 cannot be written"):
        saver.wait()


def test_what_is_saved_is_what_was_there_when_it_was_asked_for(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, "f")
    saver, weight = Saver(folder), torch.zeros(200_000)
    for step in range(3):
        saver.save(step, {"a": weight}, {})
        weight += 1
    saver.wait()
    found = folder.newest()
    assert found is not None
    assert torch.equal(found.whole().tensors["a"], torch.full((200_000,), 2.0))


def test_all_kinds_of_tensors(tmp_path: Path) -> None:
    kinds = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]
    tensors = {str(kind): torch.arange(6).view(2, 3).to(kind) for kind in kinds}
    tensors |= {"none": torch.empty(0, 4), "one": torch.tensor(3.5), "turned": torch.arange(6.0).view(2, 3).T}
    folder = CheckpointFolder(tmp_path, "f")
    folder.save(Checkpoint(1, tensors, {}))
    found = folder.newest()
    assert found is not None
    for name, tensor in found.whole().tensors.items():
        assert tensor.dtype == tensors[name].dtype
        assert torch.equal(tensor, tensors[name])
    from safetensors.torch import load_file

    read = load_file(tmp_path / "step-00000001" / "rank-00000.safetensors")
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    with pytest.raises(ArtifactError, match="has no other"):
        found.box("other", [])
