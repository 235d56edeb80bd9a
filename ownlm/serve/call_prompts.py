"""What a model reads of a call: its limits checked, and its texts laid out as prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ownlm.errors import InputError
from ownlm.serve.call import Call, CodeContext, Conversation
from ownlm.serve.model import ServedModel
from ownlm.serve.prompt.build import Prompt, PromptTooLongError
from ownlm.serve.protocols.chat_prompt import conversation_ids
from ownlm.serve.protocols.errors import ApiError

if TYPE_CHECKING:
    from ownlm.serve.gateway import Gateway


def prompts_of(gateway: Gateway, model: ServedModel, call: Call) -> list[Prompt]:
    """A prompt for each text of a call.

    Args:
        gateway: its limits and layout, and what it knows of repositories.
        model: that reads them.
        call: what is asked.

    Raises:
        ApiError: 400: too many prompts or choices, a prompt too long, or one this model cannot take.
    """
    config, builder = gateway.config, model.prompts
    if len(call.texts) > config.max_prompts:
        raise ApiError(
            400, f"At most {config.max_prompts} prompts a request; this one has {len(call.texts)}.", param="prompt"
        )
    if call.options.choices > config.max_choices:
        raise ApiError(400, f"n must be at most {config.max_choices}.", param="n")
    wanted = config.default_tokens if call.max_tokens is None else min(call.max_tokens, config.max_tokens)
    order = call.fim_order or config.fim_order
    for text in call.texts:
        if isinstance(text, CodeContext) and text.suffix and not call.tidy and not model.fill_in_the_middle:
            raise ApiError(400, "This model was not trained to fill in the middle: leave suffix out.", param="suffix")
    take_back = not (call.echo or call.options.logprobs is not None)
    try:
        return [
            builder.code(
                gateway.repositories.shown(text) if call.tidy else text,
                wanted,
                order,
                snippets=call.tidy,
                take_back=take_back,
                limit=config.prompt_tokens,
            )
            if isinstance(text, CodeContext)
            else builder.ids(conversation_ids(text, model) if isinstance(text, Conversation) else text, wanted)
            for text in call.texts
        ]
    except PromptTooLongError as error:
        raise ApiError(400, f"{error}.", param="prompt", code="context_length_exceeded") from None
    except ValueError as error:
        raise ApiError(400, f"{error}.", param="prompt", code="invalid_value") from None
    except InputError:
        raise ApiError(400, "The text holds a character that is not valid Unicode.", param="prompt") from None
