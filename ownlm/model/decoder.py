"""The decoder: Llama's architecture (arXiv 2302.13971) and its relatives in plain PyTorch.

    tokens_BL ─► embedding ─► layers * [ x += attention(norm(x)) ─► x += feed_forward(norm(x)) ] ─► norm ─► head

Shapes in names: B batch, L length, D d_model, N heads, K key/value heads, H head width, V vocabulary, S keys seen.

Parameter names are Hugging Face's `LlamaForCausalLM` names without the leading `model.`. Documents packed into one
window do not see each other. Somebody who runs the parts himself (a pipeline, a context in pieces) makes the same calls
as `hidden`: `embed_tokens`, `view`, each of `layers`, `last`.

Not here: dropout (one pass over the data needs none), biases, tensor or pipeline parallelism.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ownlm.model.architecture import Architecture
from ownlm.model.attention.choose import Backend, attention_over
from ownlm.model.attention.sdpa import sdpa
from ownlm.model.block import Block
from ownlm.model.cache import DecodingCache
from ownlm.model.initialize import initial_weights
from ownlm.model.mamba import runs_of
from ownlm.model.mup import Rule, lr_multipliers, output_scale
from ownlm.model.norm import RMSNorm
from ownlm.model.rope import angles
from ownlm.model.router import Router
from ownlm.model.view import Attend, Relay, View

IGNORED = -100
"""The label of a position that has no loss."""


class Decoder(nn.Module):
    """A language model of one of the families in `ownlm.model.architecture`.

    Args:
        architecture: the resolved shape.
        seed: of the initial weights (`ownlm.model.initialize`); the same seed gives the same weights on every machine.
            On the meta device (`with torch.device("meta")`) none are drawn; `initial_weights` gives them afterwards.

    Attributes:
        attention: how attention over documents is computed; may be set at any time.
    """

    def __init__(self, architecture: Architecture, seed: int = 0) -> None:
        super().__init__()
        self.architecture = architecture
        self.attention: Backend = "auto"
        self.embed_tokens = nn.Embedding(architecture.vocab_size, architecture.d_model)
        self.layers = nn.ModuleList(Block(architecture, layer) for layer in range(architecture.layers))
        self.norm = RMSNorm(architecture.d_model, architecture.norm_eps)
        self.lm_head = nn.Linear(architecture.d_model, architecture.vocab_size, bias=False)
        if architecture.tied:
            self.lm_head.weight = self.embed_tokens.weight
        if not self.embed_tokens.weight.is_meta:
            with torch.no_grad():
                weights = dict(self.named_parameters())
                for name, value in initial_weights(architecture, weights.items(), seed):
                    weights[name].copy_(value)

    @property
    def head_weight(self) -> Tensor:
        """The output head, [V, D]: logits are `hidden(...) @ head_weight.T`."""
        return self.lm_head.weight

    def auxiliary(self) -> Tensor | None:
        """What routers of experts add to the summed cross-entropy of the last forward pass; None: a dense model.

        Already weighted, summed over all positions and averaged over blocks, so that (cross-entropies + auxiliary) /
        labels is what is minimized in every layout of the rows.
        """
        found = [router.auxiliary for router in self.routers() if router.auxiliary is not None]
        experts = self.architecture.experts
        if not found or experts is None:
            return None
        return torch.stack(found).sum() / (self.architecture.layers - experts.dense_layers)

    def routers(self) -> list[Router]:
        """The routers of the blocks that have experts, in order."""
        return [router for _, router in self._routers()]

    def expert_load(self) -> Tensor | None:
        """How many tokens of the last forward pass chose each expert, [blocks with experts, E]; None: a dense model.

        Blocks that another process has chose none. The sum over the batches of a step, and over processes that saw
        other tokens or have other blocks, is what `balance` wants.
        """
        experts = self.architecture.experts
        if experts is None:
            return None
        blocks, device = self.architecture.layers - experts.dense_layers, next(self.parameters()).device
        load = torch.zeros(blocks, experts.count, dtype=torch.int64, device=device)
        for number, router in self._routers():
            if router.load_BE is not None:
                load[number] = router.load_BE.sum(0)
        return load

    def balance(self, load: Tensor) -> None:
        """After a step: move the bias of routers that are balanced by one (`ownlm.model.router`); else nothing."""
        for number, router in self._routers():
            router.balance(load[number])

    def _routers(self) -> Iterator[tuple[int, Router]]:
        """Those that are here, each with its number among all of the model's."""
        experts = self.architecture.experts
        if experts is not None:
            for number, block in enumerate(self.layers[experts.dense_layers :]):
                yield from ((number, module) for module in block.modules() if isinstance(module, Router))

    def lr_multipliers(self, rule: Rule = "adamw") -> dict[str, float]:
        """What each weight's learning rate is multiplied by (`ownlm.model.mup`); all 1 without muP.

        Args:
            rule: the optimizer that has the matrices of the blocks.
        """
        return lr_multipliers(self.architecture, ((n, w.dim()) for n, w in self.named_parameters()), rule)

    def view(
        self,
        positions_BL: Tensor,
        segments_BL: Tensor | None,
        cache: DecodingCache | None = None,
        attend: Attend | None = None,
        relay: Relay | None = None,
    ) -> View:
        """What all blocks need to know of the positions.

        Args:
            positions_BL: where each token stands, [B or 1, L].
            segments_BL: positions with equal numbers may see each other, backwards; None: all of the row.
            cache: of earlier tokens, extended by the blocks.
            attend: the attention; None: one that masks by segments and order.
            relay: for state spaces, where other places have positions of these rows.
        """
        turns = angles(
            positions_BL, self.architecture.rotary_width, self.architecture.rope_theta, self.architecture.rope_scaling
        )
        if attend is None:
            if cache is not None and segments_BL is not None:
                attend = sdpa(segments_BL, cache.see(segments_BL))
            else:
                attend = attention_over(segments_BL, self._attention_dtype(), self.attention)
        runs_BL = self._runs(positions_BL, segments_BL, cache) if relay is None else relay.runs()
        return View(turns, attend, runs_BL, cache, relay)

    def _runs(self, positions_BL: Tensor, segments_BL: Tensor | None, cache: DecodingCache | None) -> Tensor | None:
        """Documents as state spaces want them; called after the cache has seen the segments."""
        if self.architecture.state_space is None:
            return None
        if segments_BL is None:
            return torch.zeros_like(positions_BL)
        return runs_of(segments_BL, None if cache is None else cache.last_segment(segments_BL.shape[1]))

    def _attention_dtype(self) -> torch.dtype:
        """What queries will be: autocast's type, or the weights'."""
        device = self.embed_tokens.weight.device.type
        if torch.is_autocast_enabled(device):
            return torch.get_autocast_dtype(device)
        return self.embed_tokens.weight.dtype

    def last(self, x_BLD: Tensor) -> Tensor:
        """What follows the last block: the norm, and muP's factor."""
        out_BLD: Tensor = self.norm(x_BLD)
        scale = output_scale(self.architecture)
        return out_BLD if scale == 1.0 else out_BLD * scale

    def hidden(
        self,
        tokens_BL: Tensor,
        segments_BL: Tensor | None = None,
        *,
        positions_BL: Tensor | None = None,
        cache: DecodingCache | None = None,
    ) -> Tensor:
        """What the head reads, after the last norm: x_BLD.

        Args:
            tokens_BL: token ids.
            segments_BL: positions with equal numbers may see each other, backwards; None: all of the row.
            positions_BL: where each token stands; None: 0, 1, 2, ... in every row, after those in the cache.
            cache: of earlier tokens, extended by this call, for generation.
        """
        x_BLD: Tensor = self.embed_tokens(tokens_BL)
        if cache is not None and segments_BL is None:
            segments_BL = torch.zeros_like(tokens_BL)
        if positions_BL is None:
            start = 0 if cache is None else cache.length
            positions_BL = torch.arange(start, start + tokens_BL.shape[1], device=tokens_BL.device)[None]
        view = self.view(positions_BL, segments_BL, cache)
        for block in self.layers:
            x_BLD = block(x_BLD, view)
        return self.last(x_BLD)

    def forward(
        self,
        tokens_BL: Tensor,
        segments_BL: Tensor | None = None,
        *,
        positions_BL: Tensor | None = None,
        cache: DecodingCache | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Logits of the token after each position, in the type the head computed: logits_BLV.

        Args are those of `hidden`, and

        Args:
            last_only: compute the logits of the last position only, [B, 1, V].
        """
        x_BLD = self.hidden(tokens_BL, segments_BL, positions_BL=positions_BL, cache=cache)
        logits_BLV: Tensor = self.lm_head(x_BLD[:, -1:] if last_only else x_BLD)
        return logits_BLV

    def loss_sum(self, tokens_BL: Tensor, labels_BL: Tensor, segments_BL: Tensor | None = None) -> Tensor:
        """Sum of the cross-entropies (nats) of all labelled positions; divide by their number for the mean."""
        logits_BLV = self(tokens_BL, segments_BL)
        return F.cross_entropy(
            logits_BLV.float().flatten(0, 1), labels_BL.flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def loss(self, tokens_BL: Tensor, labels_BL: Tensor, segments_BL: Tensor | None = None) -> Tensor:
        """Mean cross-entropy (nats) over the labelled positions; 0 when there is none."""
        labelled = (labels_BL != IGNORED).sum().clamp(min=1)
        return self.loss_sum(tokens_BL, labels_BL, segments_BL) / labelled
