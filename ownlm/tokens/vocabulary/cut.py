"""A vocabulary of a smaller size from one that is there: what training on the same sample to that size gives.

Byte-pair encoding learns one pair after the other, each the best there is at its time, and never looks back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer


def cut(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The very tokenizer that training to a smaller size gives: as many merges as make that many tokens."""
    description = json.loads(tokenizer.to_str())
    model = description["model"]
    kept = {text: number for text, number in model["vocab"].items() if number < size}
    missing, merges = set(kept) - untrained(description), []
    for pair in model["merges"]:
        if not missing:
            break
        merges.append(pair)
        missing.discard("".join(pair))
    model["vocab"], model["merges"] = kept, merges
    return Tokenizer.from_str(json.dumps(description))


def untrained(description: Mapping[str, Any]) -> set[str]:
    """The special tokens and the bytes."""
    first = len(description["added_tokens"]) + 256
    return {text for text, number in description["model"]["vocab"].items() if number < first}
