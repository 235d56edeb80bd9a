from __future__ import annotations

from ownlm.serve.call import Caller


def test_a_user_that_a_request_names_counts_only_where_the_key_names_none() -> None:
    assert Caller().called("eve") == Caller(user="eve")
    assert Caller().called(None) == Caller()
    assert Caller(user="anna", key="laptop").called("eve") == Caller(user="anna", key="laptop")
