"""A gateway's side of feedback in a process of its own, to be killed: tells of events and prints those acknowledged.

python -m tests.live.feedback.gateway URL-OR-EMPTY HOME
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from ownlm.live.feedback.open import open_feedback
from ownlm.serve.feedback import FeedbackConfig
from tests.live.feedback.made import event, served

THREADS = 8


def client(feedback: object, number: int) -> None:
    """Serve and tell, for ever; a line on standard output is what the client was told."""
    count = 0
    while True:
        name = f"cmpl-{number}-{count}"
        count += 1
        feedback.served(served(name, user=f"user {number}"))  # type: ignore[attr-defined]
        for kind in ("view", "select"):
            feedback.event(event(name, kind))  # type: ignore[attr-defined]
            os.write(1, f"{name} {kind}\n".encode())


if __name__ == "__main__":
    opened = open_feedback(FeedbackConfig(url=sys.argv[1]), Path(sys.argv[2]))
    for each in range(THREADS):
        threading.Thread(target=client, args=(opened, each)).start()
