"""An artifact: a folder whose manifest, written last, makes it exist.

The manifest names what made it (stage, key, settings, inputs), what is in it (every file with size and sha256)
and what came of it (metrics, times, memory). `content` is one hash over the payload: every file except reports,
logs and metrics over time, which hold clock times and are allowed to differ between equal runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from ownlm.errors import ArtifactError
from ownlm.recipe.base import canonical_json

MANIFEST = "manifest.json"
SCRATCH = "scratch"
FORMAT = 1
_NOT_PAYLOAD = ("report", "log", "metrics.jsonl")
_ELSEWHERE = "store.json"
"""Where a part of the payload is kept outside; what that part is, is said by an index with hashes."""


class FileEntry(BaseModel):
    """One file of an artifact: size in bytes and sha256 in hex."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    size: int
    sha256: str


class InputEntry(BaseModel):
    """An artifact that was read: the stage that made it, its key and its content hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    stage: str
    key: str
    content: str


class Manifest(BaseModel):
    """What an artifact says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int
    name: str
    stage: str
    version: int
    key: str
    config: dict[str, JsonValue]
    inputs: dict[str, InputEntry]
    fingerprint: str | None
    files: dict[str, FileEntry]
    content: str
    metrics: dict[str, JsonValue]
    recipe: str
    code: str
    host: str
    started: str
    ended: str
    seconds: float
    peak_memory: int


@dataclass(frozen=True)
class Artifact:
    """A made artifact: its folder and its manifest."""

    path: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """The name a person uses for it: the folder's name."""
        return self.path.name

    def file(self, relative: str) -> Path:
        """The path of a file or folder inside.

        Raises:
            ArtifactError: it is not there.
        """
        path = self.path / relative
        if not path.exists():
            raise damaged(self.path, f"{relative} is missing")
        return path

    def verify(self, *, hashes: bool = True) -> None:
        """Compare every file with the manifest: sizes always, contents if `hashes`.

        Raises:
            ArtifactError: a file is missing, has another size or other content.
        """
        for relative, entry in self.manifest.files.items():
            path = self.path / relative
            if not path.is_file():
                raise damaged(self.path, f"{relative} is missing")
            size = path.stat().st_size
            if size != entry.size:
                raise damaged(self.path, f"{relative} has {size} bytes, its manifest says {entry.size}")
            if hashes and sha256_file(path) != entry.sha256:
                raise damaged(self.path, f"{relative} is not the file its manifest describes")


def damaged(path: Path, detail: str) -> ArtifactError:
    """The error for an artifact that is not what its manifest says."""
    return ArtifactError(
        f"The artifact {path.name} is damaged: {detail}.",
        where=path,
        advice="Move that folder away; the next `ownlm run` makes it again and keeps everything else.",
    )


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def payload_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """All files below `folder` but the manifest and scratch, as (posix relative path, path), sorted."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(root) == folder and name == SCRATCH)]
        for name in files:
            path = Path(root) / name
            relative = path.relative_to(folder).as_posix()
            if relative != MANIFEST:
                found.append((relative, path))
    yield from sorted(found)


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Size and sha256 of every payload file."""
    return {
        relative: FileEntry(size=path.stat().st_size, sha256=sha256_file(path))
        for relative, path in payload_files(folder)
    }


def content_hash(files: Mapping[str, FileEntry]) -> str:
    """One hash over what counts as content: path and sha256 of every file that holds no clock times."""
    counted = {
        relative: entry.sha256
        for relative, entry in files.items()
        if relative.split("/")[0] not in _NOT_PAYLOAD and relative.split("/")[-1] != _ELSEWHERE
    }
    return hashlib.sha256(canonical_json(counted).encode()).hexdigest()


def read_artifact(path: Path) -> Artifact | None:
    """Load the artifact in `path`; None when there is no manifest, that is, no artifact.

    Raises:
        ArtifactError: the manifest cannot be read or is of another format.
    """
    try:
        text = (path / MANIFEST).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, f"{MANIFEST} cannot be read ({error})") from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise damaged(path, f"{MANIFEST} is not a manifest ({error.error_count()} faults)") from error
    if manifest.format != FORMAT:
        raise damaged(path, f"its manifest has format {manifest.format}, this version reads {FORMAT}")
    return Artifact(path, manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest durably: to a temporary name, synced, renamed, folder synced."""
    temporary = folder / f".{MANIFEST}.new"
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(manifest.model_dump(mode="json"), stream, indent=1, sort_keys=True, ensure_ascii=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / MANIFEST)
    sync_folder(folder)


def sync_file(path: Path) -> None:
    """Have a file's bytes on disk before a manifest vouches for them: a power loss must not leave holes."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    sync_file(folder)
