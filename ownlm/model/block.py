"""One block: a layer that mixes positions and one that transforms each, normalized before and added to the stream."""

from __future__ import annotations

from torch import Tensor, nn

from ownlm.model.architecture import Architecture
from ownlm.model.attention.layer import Attention
from ownlm.model.experts import MixtureOfExperts
from ownlm.model.feed_forward import FeedForward
from ownlm.model.mamba import Mamba2
from ownlm.model.norm import RMSNorm
from ownlm.model.view import View


class Block(nn.Module):
    """x += self_attn(norm(x)), or mamba in its place; x += mlp(norm(x)).

    Args:
        architecture: of the model.
        layer: this block's number.
    """

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(architecture.d_model, architecture.norm_eps)
        if architecture.has_attention(layer):
            self.self_attn = Attention(architecture, layer)
        else:
            self.mamba = Mamba2(architecture, layer)
        self.post_attention_layernorm = RMSNorm(architecture.d_model, architecture.norm_eps)
        self.mlp: FeedForward | MixtureOfExperts
        if architecture.has_experts(layer):
            self.mlp = MixtureOfExperts(architecture)
        else:
            self.mlp = FeedForward(architecture.d_model, architecture.d_ff)

    def forward(self, x_BLD: Tensor, view: View) -> Tensor:
        """One block's step of the stream."""
        mixer = self.self_attn if hasattr(self, "self_attn") else self.mamba
        x_BLD = x_BLD + mixer(self.input_layernorm(x_BLD), view)
        out: Tensor = x_BLD + self.mlp(self.post_attention_layernorm(x_BLD))
        return out
