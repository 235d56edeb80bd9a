from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ownlm.serve.answering import Usage
from ownlm.serve.completion import Piece, ScoredToken
from ownlm.serve.protocols.openai_answer import Heading, choice_json, logprobs_json, usage_json
from ownlm.serve.protocols.rendering import event

TOKEN = ScoredToken("ab", 3, -0.5, {"ab": -0.5, "c": -1.0})


@given(st.lists(st.text(max_size=5), max_size=8))
def test_a_whole_choice_is_its_pieces_joined(texts: list[str]) -> None:
    choice = Piece(2)
    for text in texts:
        choice.add(Piece(2, text, [TOKEN]))
    choice.add(Piece(2, finish="length"))
    assert choice == Piece(2, "".join(texts), [TOKEN] * len(texts), "length")
    answer = choice_json(2, choice.text, choice.tokens, choice.finish)
    assert answer["logprobs"] is not None
    assert answer["logprobs"]["tokens"] == ["ab"] * len(texts)
    assert choice_json(2, choice.text, None, choice.finish)["logprobs"] is None


def test_log_probabilities_lie_side_by_side() -> None:
    first = ScoredToken("x", 0, None, None)
    assert logprobs_json([first, TOKEN]) == {
        "tokens": ["x", "ab"],
        "token_logprobs": [None, -0.5],
        "top_logprobs": [None, {"ab": -0.5, "c": -1.0}],
        "text_offset": [0, 3],
    }


@given(st.text())
def test_an_event_is_one_line_of_json_whatever_the_text(text: str) -> None:
    answer = Heading("cmpl-1", 7, "tiny").answer([choice_json(0, text, None, None)], usage=None)
    raw = event(answer)
    assert raw.startswith(b"data: {")
    assert raw.endswith(b"}\n\n")
    assert b"\n" not in raw[:-2]
    assert b"\r" not in raw
    assert json.loads(raw[6:]) == answer


def test_usage_adds_up() -> None:
    assert usage_json(Usage(3, 4)) == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
