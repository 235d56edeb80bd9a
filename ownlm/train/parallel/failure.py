"""Errors of a worker, told to the stage: as the error they are, with the rank, not as a traceback of the launcher.

A worker writes its error to the file torch's elastic agent names (TORCHELASTIC_ERROR_FILE), in the agent's own form
with one more key.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ownlm import errors
from ownlm.errors import OwnlmError, TrainingError, first_line

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

_OWN = "ownlm"
_LOST = ("gloo/transport", "Connection closed by peer", "Connection reset by peer", "NCCL communicator was aborted")
_HELPED = ("StuckError", "LostError")
"""Errors that starting again may help."""


def tell(error: BaseException, rank: int) -> None:
    """Write an error where the agent looks for it."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not path:
        return
    said: dict[str, Any] = {
        "message": {
            "message": f"{type(error).__name__}: {error}",
            "extraInfo": {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))},
        }
    }
    if isinstance(error, OwnlmError):
        kind = type(error).__name__
        said[_OWN] = {"kind": kind, "what": error.what, "where": error.where, "advice": error.advice, "rank": rank}
    Path(path).write_text(json.dumps(said), encoding="utf-8")


def is_lost(error: RuntimeError) -> bool:
    """Whether an error of torch's means that another process is gone, and not that this one cannot compute."""
    from torch.distributed import DistError

    return isinstance(error, DistError) or any(word in str(error) for word in _LOST)


def failed(error: ChildFailedError, logs: Path) -> OwnlmError:
    """The error to raise for a job some of whose workers failed: the first that says why, else the first."""
    failures = sorted(error.failures.items(), key=lambda item: (item[1].timestamp, item[0]))
    for _, failure in failures:
        own = failure.error_file_data.get(_OWN)
        if own is not None:
            return _again(own)
    rank, why = reason(error.failures)
    return TrainingError(
        f"the training process of rank {rank} ended: {why}",
        where=logs,
        advice=f"look at rank-{rank}.log there; the same command goes on from the last checkpoint",
    )


def refused(failures: Mapping[int, ProcessFailure]) -> bool:
    """Whether a process said itself that it cannot go on, for a reason that stays when all start again."""
    told = [failure.error_file_data.get(_OWN) for failure in failures.values()]
    return any(said is not None and said["kind"] not in _HELPED for said in told)


def reason(failures: Mapping[int, ProcessFailure]) -> tuple[int, str]:
    """The rank that failed first, and why. (The agent ends the others with SIGTERM when one has failed.)"""
    ordered = sorted(failures.items(), key=lambda item: (item[1].timestamp, item[0]))
    rank, first = next((one for one in ordered if one[1].exitcode != -signal.SIGTERM), ordered[0])
    return rank, _reason(first)


def _again(said: dict[str, Any]) -> OwnlmError:
    kind = getattr(errors, said["kind"], TrainingError)
    where = said["where"]
    raised: OwnlmError = kind(said["what"], where=where, advice=said["advice"])
    if said["rank"] > 0:
        raised.add_note(f"in the training process of rank {said['rank']}")
    return raised


def _reason(failure: ProcessFailure) -> str:
    if failure.exitcode < 0:
        return f"signal {failure.signal_name()}"
    message = failure.error_file_data.get("message", {})
    text = message.get("message", "") if isinstance(message, dict) else ""
    return first_line(RuntimeError(text)) if text else f"exit code {failure.exitcode}"
