"""`ownlm train watch`: find the run, serve its page until Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ownlm.pipeline.store import Store
from ownlm.train.monitor.watch import WatchServer
from ownlm.train.monitor.watched import METRICS, Watched, folder_of


def watch(out: Console, store: Store, what: Path, overrides: Sequence[str], port: int) -> None:
    """Serve the page of a training.

    Args:
        out: where the address is printed.
        store: where a recipe's run is.
        what: a recipe; or a train stage's folder, or the metrics.jsonl in it.
        overrides: the recipe's.
        port: of the page; 0: any free one.

    Raises:
        InputError: it was not trained yet.
        ArtifactError: what it is made of is gone or damaged.
        ServerError: the port is taken.
    """
    if what.is_dir() or what.name == METRICS:
        folder = folder_of(what)
    else:
        from ownlm.replaying import find_run

        folder = find_run(store, what, overrides).folder.absolute()
    with WatchServer(Watched(folder), port) as server:
        out.print(f"page  {server.url}  (Ctrl-C ends it)", markup=False, soft_wrap=True)
        server.serve_forever()
