"""What an evaluation reads from outside the store: benchmarks' files and checkouts; their hash is part of its key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ownlm.evaluate.company.checkout import checkouts_fingerprint
from ownlm.evaluate.config import EvaluateConfig
from ownlm.evaluate.suites_part import suites_fingerprint


def evaluation_fingerprint(config: EvaluateConfig) -> Callable[[Path | None], str] | None:
    """The stage's `fingerprint`; None where nothing outside is read."""
    suites = partial(suites_fingerprint, config) if config.suites else None
    checkouts = partial(checkouts_fingerprint, config.repository_tests) if config.repository_tests else None
    return partial(_both, suites, checkouts) if suites and checkouts else suites or checkouts


def _both(one: Callable[[Path | None], str], other: Callable[[Path | None], str], cache: Path | None) -> str:
    return hashlib.sha256(f"{one(cache)} {other(cache)}".encode()).hexdigest()
