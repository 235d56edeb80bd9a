"""A gateway has two connections to its store (events, and the watch of switches), and other processes come and go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ownlm.live.feedback.event import Origin
from ownlm.live.feedback.query import sums
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store
from tests.live.lived import Did, live, new_store

READ = """
import sys
from pathlib import Path
from ownlm.live.feedback.query import sums
from ownlm.live.feedback.sqlite import SqliteDatabase
from ownlm.live.feedback.store import Store
store = Store(SqliteDatabase(Path(sys.argv[1])))
found = sums(store, ())
print(found[()].completions if found else 0)
store.database.close()
"""


def test_what_a_gateway_writes_is_there_for_a_process_that_came_and_went_before(tmp_path: Path) -> None:
    """A second connection of the process must not cost the first its locks, and with them the log of writes."""
    store, path = new_store(tmp_path), tmp_path / "events.sqlite3"
    second = Store(SqliteDatabase(path))

    def read() -> str:
        return subprocess.run(
            [sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True
        ).stdout

    assert read() == "0\n"
    live(store, [Did(Origin("v1", user="ann"), 1.0)])
    assert read() == "1\n"
    assert sums(second, ())[()].completions == 1
    store.database.close()
    second.database.close()
    assert read() == "1\n"
