"""Text of benchmarks kept out of what is exported, by the rule that keeps it out of the lake (`decontamination`).

A pair counts with both answers in their context: to learn that an answer is wrong gives a problem away, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from ownlm.data.clean.config import DecontaminationConfig
from ownlm.data.clean.dedup.decontamination import DecontaminationRule
from ownlm.data.clean.documents import Documents
from ownlm.data.lake.document import Document
from ownlm.live.feedback.pairs import Pair

Item = TypeVar("Item")
_ITEMS = 500


class Benchmarks:
    """Texts not to train on.

    Args:
        paths: files and folders, in any layout that `clean.decontamination.paths` takes; none: nothing is taken out.

    Attributes:
        documents: taken out so far.
        pairs: taken out so far.

    Raises:
        InputError: one is missing or cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        config = DecontaminationConfig(paths=[str(path.absolute()) for path in paths]) if paths else None
        self._rule = None if config is None else DecontaminationRule(config)
        self.documents = self.pairs = 0

    def clean_documents(self, found: Iterable[Document]) -> Iterator[Document]:
        """Those that hold nothing of a benchmark."""
        for document, holds in self._judged(found, lambda document: [document.content]):
            self.documents += holds
            if not holds:
                yield document

    def clean_pairs(self, found: Iterable[Pair]) -> Iterator[Pair]:
        """Those that hold nothing of a benchmark."""
        for pair, holds in self._judged(found, _texts):
            self.pairs += holds
            if not holds:
                yield pair

    def _judged(self, found: Iterable[Item], texts: Callable[[Item], list[str]]) -> Iterator[tuple[Item, bool]]:
        """Each item, and whether one of its texts holds something of a benchmark."""
        items = iter(found)
        while some := list(islice(items, _ITEMS)):
            holding: set[int] = set()
            if self._rule is not None:
                owned = [(number, text) for number, item in enumerate(some) for text in texts(item)]
                batch = pa.record_batch({"content": pa.array([text for _, text in owned], pa.string())})
                reasons = self._rule.judge(Documents(batch)).reasons
                holding = {number for (number, _), reason in zip(owned, reasons, strict=True) if reason is not None}
            yield from ((item, number in holding) for number, item in enumerate(some))


def _texts(pair: Pair) -> list[str]:
    return [pair.prompt + answer + pair.suffix for answer in (pair.chosen, pair.rejected)]
