"""Greedy generation for evaluation: many prompts at once, keys and values cached.

Equal, token for token, to running the whole sequence again for every new token (the tests compare); about 30 times
fewer operations at 256 tokens. Serving does not use this: it has engines made for it (`ownlm.serve`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch

from ownlm.model.cache import DecodingCache
from ownlm.model.decoder import Decoder

Stop = Callable[[Sequence[int]], bool]


def greedy(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    max_new: int,
    *,
    stop_ids: Collection[int] = (),
    stop: Stop | None = None,
    batch: int = 64,
    advance: Callable[[int], None] | None = None,
) -> list[list[int]]:
    """The most probable next token, again and again.

    Args:
        decoder: the model.
        prompts: token ids, none empty. Positions past the decoder's context are computed, but were never trained.
        max_new: most tokens to add to each prompt.
        stop_ids: a sequence ends before the first of these; it is not part of the result.
        stop: asked with all new ids of a sequence after each token; True ends it, the last token included.
        batch: prompts computed together, those of similar length first. Does not change the result beyond
            rounding: two tokens whose logits differ by less than about 1e-5 may change places.
        advance: called with the number of prompts finished since the last call.

    Returns:
        For each prompt, in order, its new ids.

    Raises:
        ValueError: for an empty prompt.
    """
    if any(len(prompt) == 0 for prompt in prompts):
        raise ValueError("a prompt needs at least one token")
    results: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    was_training = decoder.training
    decoder.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            new = _greedy_batch(decoder, [prompts[index] for index in chosen], max_new, frozenset(stop_ids), stop)
            for index, ids in zip(chosen, new, strict=True):
                results[index] = ids
            if advance is not None:
                advance(len(chosen))
    decoder.train(was_training)
    return results


def _greedy_batch(
    decoder: Decoder, prompts: list[Sequence[int]], max_new: int, stop_ids: frozenset[int], stop: Stop | None
) -> list[list[int]]:
    """Prompts are padded on the left, so that all rows grow at the same column; finished rows are dropped."""
    weight = decoder.embed_tokens.weight
    longest = max(map(len, prompts))
    padding_B = torch.tensor([longest - len(prompt) for prompt in prompts], device=weight.device)
    tokens_BL = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts], device=weight.device)
    cache = DecodingCache(decoder.architecture, len(prompts), longest + max_new, weight.device, weight.dtype)
    columns = torch.arange(longest, device=weight.device)
    positions_BL = (columns[None] - padding_B[:, None]).clamp(min=0)
    segments_BL = (columns[None] >= padding_B[:, None]).long()  # padding is another document, and not seen
    rows = list(range(len(prompts)))
    new: list[list[int]] = [[] for _ in prompts]
    for count in range(max_new):
        logits_BLV = decoder(tokens_BL, segments_BL, positions_BL=positions_BL, cache=cache, last_only=True)
        tokens_BL = logits_BLV[:, -1:].argmax(dim=-1)
        going = [_take(new[row], int(token), stop_ids, stop) for row, token in zip(rows, tokens_BL[:, 0], strict=True)]
        if not any(going):
            break
        if not all(going):
            kept = torch.tensor([place for place, goes in enumerate(going) if goes], device=weight.device)
            rows = [row for row, goes in zip(rows, going, strict=True) if goes]
            tokens_BL, padding_B = tokens_BL[kept], padding_B[kept]
            cache.keep_rows(kept)
        positions_BL = (longest + count - padding_B)[:, None]
        segments_BL = torch.ones_like(tokens_BL)
    return new


def _take(new: list[int], token: int, stop_ids: frozenset[int], stop: Stop | None) -> bool:
    """Add a token to a sequence; whether the sequence goes on."""
    if token in stop_ids:
        return False
    new.append(token)
    return stop is None or not stop(new)
