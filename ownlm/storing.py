"""`ownlm shards verify` and `ownlm shards push`: are the shards what their index says, and shards put elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ownlm.errors import ArtifactError, InputError
from ownlm.looking import visible
from ownlm.pipeline.artifact import Artifact
from ownlm.pipeline.progress import progress_for
from ownlm.pipeline.store import Store
from ownlm.recipe.load import load_recipe
from ownlm.runs import artifact_of, read_record
from ownlm.tokens.shards.fetch import check
from ownlm.tokens.shards.index import INDEX_FILE
from ownlm.tokens.shards.push import push
from ownlm.tokens.shards.split import Location
from ownlm.tokens.shards.storage import Folder, MissingError, is_url, open_storage


def verify(out: Console, store: Store, what: str) -> None:
    """Read every file of shards once, where it is, and say which are not what their index describes.

    Args:
        out: where it is printed.
        store: where a recipe's shards are.
        what: a recipe; the folder of a split or of a shards artifact; or the URL of a split.

    Raises:
        ArtifactError: files are damaged or missing; all were printed.
        InputError: there are no shards.
        ServerError: a storage does not answer.
    """
    damaged, files, size = 0, 0, 0
    for name, location in _locations(store, what).items():
        described = location.files()
        unhashed = sum(not file.digests() for _, file in described)
        with progress_for(out).task(f"shards: reading {name}", sum(f.size for _, f in described), "bytes") as task:
            for storage, file in described:
                files, size = files + 1, size + file.size
                try:
                    check(storage, file)
                except ArtifactError as error:
                    damaged += 1
                    for line in str(error).splitlines():
                        out.print(Text(visible(line)), soft_wrap=True)
                task.advance(file.size)
        if unhashed:
            out.print(Text(f"{name}: the index has no checksum for {unhashed} files; their sizes were compared."))
    if damaged:
        raise ArtifactError(f"{damaged} of {files} files are damaged or missing; each is named above.", where=what)
    out.print(Text(f"{files} files, {size / 1e6:,.1f} MB: all as their index says."), soft_wrap=True)


def push_run(out: Console, store: Store, recipe: Path, url: str) -> None:
    """Upload the shards a recipe's run made; what is there already is not sent again.

    Raises:
        InputError: the run has not packed its shards yet.
        ArtifactError: a file here is damaged.
        ServerError: the storage does not answer, or refuses.
    """
    for split in _splits(_artifact(store, recipe).path):
        where, sent = push(split, url, progress_for(out))
        out.print(Text(f"{split.name}: {where} ({sent / 1e6:,.1f} MB sent)"), soft_wrap=True)


def _locations(store: Store, what: str) -> Mapping[str, Location]:
    if is_url(what):
        where = open_storage(what)
        if not isinstance(where, Folder):
            return {what: _behind(what)}
        path = where.path
    else:
        path = Path(what) if Path(what).is_dir() else _artifact(store, Path(what)).path
    return {split.name: Location(split) for split in _splits(path)}


def _behind(url: str) -> Location:
    """A split in a storage; what is below a URL is not listed, so the folder that shards were pushed to is not one."""
    try:
        return Location(url)
    except MissingError as error:
        raise InputError(
            f"There are no shards: no {INDEX_FILE} in it.",
            where=url,
            advice="Name the URL of a split as `ownlm shards push` prints it, e.g. s3://bucket/folder/train-0123456789abcdef.",
        ) from error


def _splits(folder: Path) -> list[Path]:
    """The folder itself, or those in it, that hold an index."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [one for one in (folder, *inside) if (one / INDEX_FILE).is_file()]
    if not found:
        raise InputError(
            f"There are no shards: no {INDEX_FILE} in it or in a folder of it.",
            where=folder,
            advice="Name a recipe, the folder of a split or of a shards artifact, or the URL of a split.",
        )
    return found


def _artifact(store: Store, recipe: Path) -> Artifact:
    return artifact_of(store, read_record(store, load_recipe(recipe).name), "shards", hashes=False)
