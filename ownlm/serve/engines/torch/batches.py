"""The engine of our own decoder: many requests at once, every family, greedy or sampled, any device.

    prompts ─► sorted by length ─► batches ─► equal prompts read once ─► one token a row and step ─► ended rows leave

What a row says does not depend on the rows beside it. Rows have random numbers of their own (`batch_sampling`); but a
sum's last bits do depend on the shape it is computed in, and two tokens that are nearly a tie may then change places.
In float64 those bits are 1e-13 of a logit, so that a tie close enough does not come up; in float32 (1e-5) it does,
about once in a hundred thousand tokens. State-space layers cut a text into blocks from its beginning: only prompts of
equal length, which need no padding, share a batch there.

Cost beside CTranslate2: docs/models.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ownlm.model.cache import DecodingCache
from ownlm.model.decoder import Decoder
from ownlm.serve.engines.base import FinishReason, GenerationRequest, GenerationStep, OnStep
from ownlm.serve.engines.torch.batch_sampling import BatchSampler

CACHE_BYTES = 1 << 30
"""Most memory for the keys and values of a batch; a batch gets fewer rows where it would need more."""

LOGITS_AT_ONCE = 1 << 23
"""Most logits held at a time while scoring."""

LEAVE_AT = 0.75
"""Ended rows leave a batch, which copies its keys and values, once the rest is no more than this part of it."""


class TorchBatchEngine:
    """A decoder as a `BatchEngine`.

    Args:
        decoder: put into evaluation mode; what it computes in is the type of its weights.
        batch: most rows computed together.
    """

    def __init__(self, decoder: Decoder, batch: int = 64) -> None:
        self._decoder = decoder.eval()
        self._batch = batch

    @torch.inference_mode()
    def generate_batch(self, requests: Sequence[GenerationRequest], on_step: OnStep) -> None:
        """See `BatchEngine.generate_batch`."""
        for indices in self._batches(requests):
            _Rows(self._decoder, requests, indices).run(on_step)

    @torch.inference_mode()
    def score_batch(
        self, sequences: Sequence[tuple[Sequence[int], int]], on_done: Callable[[int], None]
    ) -> list[float]:
        """See `BatchEngine.score_batch`."""
        scores = [0.0] * len(sequences)
        order = sorted(range(len(sequences)), key=lambda index: (len(sequences[index][0]), index))
        while order:
            longest = len(sequences[order[-1]][0])
            width = longest * self._decoder.architecture.vocab_size
            count = max(1, min(self._batch, LOGITS_AT_ONCE // width))
            chosen, order = order[-count:], order[:-count]
            for index, score in zip(chosen, self._score([sequences[index] for index in chosen]), strict=True):
                scores[index] = score
                on_done(index)
        return scores

    def _score(self, sequences: Sequence[tuple[Sequence[int], int]]) -> list[float]:
        """Padded at their ends, which no scored position sees."""
        longest = max(len(tokens) for tokens, _ in sequences) - 1
        device = self._decoder.embed_tokens.weight.device
        rows = [[*tokens[:-1], *[0] * (longest + 1 - len(tokens))] for tokens, _ in sequences]
        x_BLD = self._decoder.hidden(torch.tensor(rows, device=device))
        scores = []
        for x_LD, (tokens, first) in zip(x_BLD, sequences, strict=True):
            logits_TV = self._decoder.lm_head(x_LD[first - 1 : len(tokens) - 1]).double()
            labels_T1 = torch.tensor(tokens[first:], device=device)[:, None]
            scores.append(float(logits_TV.log_softmax(dim=-1).gather(1, labels_T1).sum()))
        return scores

    def _batches(self, requests: Sequence[GenerationRequest]) -> Iterator[list[int]]:
        """Indices of requests that are computed together; equal prompts stand beside each other."""
        architecture = self._decoder.architecture
        layers = sum(architecture.has_attention(layer) for layer in range(architecture.layers))
        numbers = 2 * layers * architecture.kv_heads * architecture.head_width
        position = max(1, numbers * self._decoder.embed_tokens.weight.element_size())
        order = sorted(range(len(requests)), key=lambda i: (len(requests[i].prompt), requests[i].prompt, i))
        batch: list[int] = []
        new = 0
        for index in order:
            prompt, tokens = len(requests[index].prompt), requests[index].max_tokens
            fits = (len(batch) + 1) * (prompt + max(new, tokens)) * position <= CACHE_BYTES
            padded = bool(batch) and len(requests[batch[0]].prompt) != prompt
            if batch and (len(batch) == self._batch or not fits or (padded and architecture.state_space is not None)):
                yield batch
                batch, new = [], 0
            batch.append(index)
            new = max(new, tokens)
        if batch:
            yield batch


class _Rows:
    """A batch on its way: prompts are padded on the left, so that all rows grow at the same column."""

    def __init__(self, decoder: Decoder, requests: Sequence[GenerationRequest], indices: Sequence[int]) -> None:
        self._decoder, self._requests = decoder, requests
        self._device = decoder.embed_tokens.weight.device
        self._live = list(indices)  # the request of each row
        self._going = [True] * len(indices)
        self._longest = max(len(requests[index].prompt) for index in indices)
        self._new = max(requests[index].max_tokens for index in indices)
        self._sampler = BatchSampler([requests[index] for index in indices], self._device)
        self._padding_B = torch.tensor([self._longest - len(requests[index].prompt) for index in indices])
        self._padding_B = self._padding_B.to(self._device)

    def run(self, on_step: OnStep) -> None:
        """Generate until every row has ended."""
        cache, logits_BV = self._read()
        for count in range(self._new):
            tokens_B = self._sampler.choose(logits_BV, count)
            self._take(tokens_B.tolist(), count + 1, on_step)
            if not any(self._going):
                return
            tokens_B = self._leave(tokens_B, cache)
            logits_BV = self._decoder(
                tokens_B[:, None],
                torch.ones_like(tokens_B)[:, None],
                positions_BL=(self._longest + count - self._padding_B)[:, None],
                cache=cache,
                last_only=True,
            )[:, -1]

    def _read(self) -> tuple[DecodingCache, Tensor]:
        """Read the prompts, equal ones once; logits of the first new tokens, [B, V]."""
        prompts = [self._requests[index].prompt for index in self._live]
        different = list(dict.fromkeys(prompts))
        row_of = {prompt: row for row, prompt in enumerate(different)}
        tokens_UL = torch.tensor(
            [[0] * (self._longest - len(prompt)) + list(prompt) for prompt in different], device=self._device
        )
        padding_U = torch.tensor([self._longest - len(prompt) for prompt in different], device=self._device)
        columns_L = torch.arange(self._longest, device=self._device)
        weight = self._decoder.embed_tokens.weight
        capacity = self._longest + self._new
        cache = DecodingCache(self._decoder.architecture, len(different), capacity, self._device, weight.dtype)
        logits_U1V = self._decoder(
            tokens_UL,
            (columns_L[None] >= padding_U[:, None]).long(),  # padding is another document, and not seen
            positions_BL=(columns_L[None] - padding_U[:, None]).clamp(min=0),
            cache=cache,
            last_only=True,
        )
        rows_B = torch.tensor([row_of[prompt] for prompt in prompts], device=self._device)
        if len(different) < len(prompts):
            cache.keep_rows(rows_B)
        return cache, logits_U1V[rows_B, -1]

    def _take(self, tokens: list[int], generated: int, on_step: OnStep) -> None:
        for row, (index, token) in enumerate(zip(self._live, tokens, strict=True)):
            if self._going[row]:
                finish = _finish(self._requests[index], token, generated)
                stopped = on_step(GenerationStep(index, token, None, finish))
                self._going[row] = not stopped and finish is None

    def _leave(self, tokens_B: Tensor, cache: DecodingCache) -> Tensor:
        """Drop ended rows once they are many; the tokens of the rows that stay."""
        staying = [row for row, goes in enumerate(self._going) if goes]
        if len(staying) > LEAVE_AT * len(self._going):
            return tokens_B
        rows_B = torch.tensor(staying, device=self._device)
        cache.keep_rows(rows_B)
        self._sampler.keep_rows(rows_B)
        self._padding_B = self._padding_B[rows_B]
        self._live, self._going = [self._live[row] for row in staying], [True] * len(staying)
        return tokens_B[rows_B]


def _finish(request: GenerationRequest, token: int, generated: int) -> FinishReason | None:
    if token in request.stop_ids:
        return "stop"
    return "length" if generated >= request.max_tokens else None
