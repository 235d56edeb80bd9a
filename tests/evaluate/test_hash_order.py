from __future__ import annotations

from ownlm.evaluate.hash_order import hash_order


def test_hash_order_never_moves() -> None:
    assert hash_order(0, "a", 1) == hash_order(0, "a", 1)
    assert hash_order(0, "a", 1) != hash_order(1, "a", 1) != hash_order(0, "a1")
