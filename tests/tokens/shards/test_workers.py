"""Worker processes: what they make is right, and nothing of them is left, however they or their parent end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ownlm.errors import ArtifactError, OwnlmError
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.workers import Workers
from tests.tokens.corpora import pack_texts, program, small
from tests.tokens.shards.ranks import flat

_, VOCABULARY, SHARDS = small()


def made_of(reader: ShardReader) -> Batches:
    return Batches(reader, ObjectivesConfig(), VOCABULARY, 64, 4, 0)


BATCHES = made_of(ShardReader(SHARDS / "train"))


def pids_of(loader: Workers) -> list[int]:
    return [int(process.pid or 0) for process in loader._processes]


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
def test_batches_belong_to_the_reader_and_closing_ends_the_workers() -> None:
    """More steps than slots: what was handed over first is not written over."""
    with Workers(BATCHES, 5, ahead=2, workers=2) as loader:
        pids, taken = pids_of(loader), list(islice(loader, 9))
    assert np.array_equal(flat(taken), flat(BATCHES.batch(step) for step in range(5, 14)))
    assert all(map(is_gone, pids))
    assert list(loader) == []
    loader.close()


@pytest.mark.slow
def test_a_killed_worker_is_an_error_that_names_its_exit_code() -> None:
    with Workers(BATCHES, ahead=2, workers=2) as loader:
        next(loader)
        pids = pids_of(loader)
        os.kill(pids[0], signal.SIGKILL)
        with pytest.raises(OwnlmError, match=r"Loader worker 0 ended with exit code -9 \(SIGKILL\)") as caught:
            list(islice(loader, 6))  # what it had already made is handed over
        assert "train.loader" in str(caught.value)
        assert list(loader) == []
    assert all(map(is_gone, pids))


@pytest.mark.slow
def test_what_making_a_batch_raises_reaches_the_reader_after_the_good_batches(tmp_path: Path) -> None:
    reader = pack_texts(tmp_path, [program(seed) for seed in range(30)], VOCABULARY)
    with Workers(made_of(reader), rows=[3, 4], workers=1) as loader, pytest.raises(IndexError, match="row 4 of step 0"):
        next(loader)
    shard = reader.path / "tokens-00000.bin"
    shard.unlink()
    with Workers(made_of(reader), workers=1) as loader, pytest.raises(ArtifactError) as caught:
        next(loader)
    assert str(shard) in str(caught.value)


PARENT = """
import sys
from pathlib import Path
from ownlm.tokens.objectives.config import ObjectivesConfig
from ownlm.tokens.shards.batches import Batches
from ownlm.tokens.shards.reader import ShardReader
from ownlm.tokens.shards.workers import Workers
from ownlm.tokens.vocabulary.load import Vocabulary

vocabulary = Vocabulary.load(Path(sys.argv[2]))
batches = Batches(ShardReader(Path(sys.argv[1])), ObjectivesConfig(), vocabulary, 64, 4, 0)
loader = Workers(batches, workers=2)
next(loader)
print(*(process.pid for process in loader._processes), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_no_worker_outlives_a_killed_parent() -> None:
    command = [sys.executable, "-c", PARENT, str(SHARDS / "train"), str(SHARDS.parent / "vocabulary")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = list(map(int, parent.stdout.readline().split()))
        assert len(pids) == 2
        assert not any(map(is_gone, pids))
        parent.kill()
        for _ in range(1200):
            if all(map(is_gone, pids)):
                break
            time.sleep(0.05)
        assert all(map(is_gone, pids))
    assert not list(Path("/dev/shm").glob(f"*{parent.pid}*")), "no shared memory is left behind"
