"""Shards put into a storage: `s3://bucket/folder/train-0123456789abcdef/`, named after the hash of the split's index.

The name stands for the content, so the same shards are the same files there: one that is there with its size is not
sent again, and a push that was interrupted goes on with the next file. index.json comes last: a folder that has it is
whole. It can be read as it is, by `ShardReader` or, if MDS, by MosaicML Streaming.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from ownlm.pipeline.progress import Progress
from ownlm.tokens.shards.cache import ShardCache
from ownlm.tokens.shards.fetch import check, fetch
from ownlm.tokens.shards.index import DOCUMENTS_FILE, INDEX_FILE, FileFacts, ShardFacts
from ownlm.tokens.shards.split import Location
from ownlm.tokens.shards.storage import STORED, Bucket, Folder, Storage

_DIGITS = 16


def push(folder: Path, url: str, progress: Progress) -> tuple[str, int]:
    """Upload a split to a folder below `url`.

    Args:
        folder: the split's.
        url: of a storage that fsspec can write to.
        progress: where it is shown.

    Returns:
        The URL of the split's folder there, and how many bytes were sent.

    Raises:
        ArtifactError: a file here is damaged; nothing of it is sent.
        ServerError: the storage does not answer, or refuses.
    """
    location = Location(folder)
    target = Bucket(f"{url.rstrip('/')}/{location.name}-{location.index.digest[:_DIGITS]}")
    files, sent = location.files(), 0
    with progress.task(f"shards: storing {location.name}", sum(file.size for _, file in files), "bytes") as task:
        for storage, file in files:
            if not target.has(file.name, file.size):
                _send(storage, file, target)
                sent += file.size
            task.advance(file.size)
    index = folder / INDEX_FILE
    if not target.has(INDEX_FILE, index.stat().st_size):
        target.put(index, INDEX_FILE)
        sent += index.stat().st_size
    return target.url, sent


def move_away(folder: Path, splits: Iterable[str], url: str, cache: ShardCache, progress: Progress) -> None:
    """Push splits, then keep index, documents table and where the shards are; the shards go into the cache.

    Raises:
        ArtifactError, ServerError: as `push`.
    """
    for split in splits:
        where, _ = push(folder / split, url, progress)
        (folder / split / STORED).write_text(json.dumps({"url": where}) + "\n", encoding="utf-8")
        for storage, file in Location(folder / split).files():
            if not isinstance(storage, Folder) or file.name == DOCUMENTS_FILE:
                continue
            if file.key and not file.name.endswith(".zstd"):
                cache.adopt(folder / split / file.name, file.key)
            (folder / split / file.name).unlink(missing_ok=True)


def _send(storage: Storage, file: FileFacts, target: Bucket) -> None:
    if isinstance(storage, Folder):
        check(storage, file)
        target.put(storage.path / file.name, file.name)
        return
    with TemporaryDirectory(prefix="ownlm-push-") as folder:
        copy = Path(folder) / "file"
        with copy.open("w+b") as out:
            fetch(storage, ShardFacts(file, 0), out)
        target.put(copy, file.name)
