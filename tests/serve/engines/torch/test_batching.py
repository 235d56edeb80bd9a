from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ownlm.serve.engines.torch.batching import share


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 60))
def test_a_pass_is_full_and_nobody_gets_more_than_needed(unread: list[int], budget: int) -> None:
    given_out = share(unread, budget)
    assert sum(given_out) == min(budget, sum(unread))
    assert all(0 <= count <= need for count, need in zip(given_out, unread, strict=True))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(1, 60))
def test_the_oldest_gets_half_and_of_the_others_the_shortest_come_first(unread: list[int], budget: int) -> None:
    given_out = share(unread, budget)
    assert given_out[0] >= min(unread[0], budget // 2)
    for index in range(1, len(unread)):
        if given_out[index] < unread[index]:
            assert all(given_out[other] == 0 for other in range(1, len(unread)) if unread[other] > unread[index])
