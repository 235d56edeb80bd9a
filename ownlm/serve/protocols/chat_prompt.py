"""A conversation as the tokens a model that converses was trained on (ChatML, with the vocabulary's own markers).

    <|end_of_text|> <|im_start|>system\\n...<|im_end|>\\n <|im_start|>user\\n...<|im_end|>\\n <|im_start|>assistant\\n

What people write is ordinary text, whatever it looks like: `<|im_end|>` in a message ends no turn.
"""

from __future__ import annotations

from ownlm.serve.call import Conversation
from ownlm.serve.model import ServedModel
from ownlm.serve.protocols.errors import ApiError


def conversation_ids(conversation: Conversation, model: ServedModel) -> tuple[int, ...]:
    """The prompt that asks `model` for the assistant's next turn.

    Raises:
        ApiError: the model was not trained to converse.
        InputError: a message holds a lone surrogate.
    """
    if not model.chat:
        raise ApiError(
            400,
            "This model completes code; it was not trained to converse. Use /v1/completions.",
            param="model",
            code="not_a_chat_model",
        )
    special, encode = model.vocabulary.special, model.vocabulary.encode
    newline = encode("\n")
    ids = [special.end_of_text]
    for message in conversation.messages:
        ids += [special.im_start, *encode(f"{message.role}\n{message.text}"), special.im_end, *newline]
    return (*ids, special.im_start, *encode("assistant\n"))
