"""Parameters and operations of an architecture, counted without building it. No torch.

Operations: 6 per weight of a matrix product a token goes through, forward and backward (the output head's too, the
embedding look-up is free), and 12 * heads * head width * context for each layer of attention: PaLM, appendix B
(arXiv 2204.02311), masked half included. A Mamba-2 layer's scan in chunks adds what its matrix products cost.
"""

from __future__ import annotations

from ownlm.model.architecture import Architecture, StateSpace

SCAN_CHUNK = 64
"""Positions in one chunk of the state-space scan (`ownlm.model.scan`)."""


def _attention_products(architecture: Architecture) -> int:
    return 2 * architecture.d_model * architecture.head_width * (architecture.heads + architecture.kv_heads)


def _state_space_products(d_model: int, state_space: StateSpace) -> int:
    return d_model * (state_space.inner + state_space.conv_width + state_space.heads) + state_space.inner * d_model


def _state_space_rest(state_space: StateSpace) -> int:
    """Convolution with bias, dt_bias, A_log, D and the gated norm."""
    return state_space.conv_width * (state_space.d_conv + 1) + 3 * state_space.heads + state_space.inner


def _feed_forward_products(architecture: Architecture, layer: int, *, active: bool) -> int:
    experts = architecture.experts
    if experts is None or not architecture.has_experts(layer):
        return 3 * architecture.d_model * architecture.d_ff
    used = (experts.per_token if active else experts.count) + experts.shared
    return architecture.d_model * (experts.count + 3 * used * experts.d_ff)


def block_products(architecture: Architecture, layer: int, *, active: bool = True) -> int:
    """Weights of the matrices of one block; of the experts only those a token goes through when `active`."""
    if architecture.has_attention(layer):
        mixing = _attention_products(architecture)
    else:
        assert architecture.state_space is not None
        mixing = _state_space_products(architecture.d_model, architecture.state_space)
    return mixing + _feed_forward_products(architecture, layer, active=active)


def parameters(architecture: Architecture, *, active: bool = False) -> int:
    """All weights, a tied embedding counted once; `active`: without the experts a token is not sent to."""
    total = architecture.vocab_size * architecture.d_model * (1 if architecture.tied else 2) + architecture.d_model
    for layer in range(architecture.layers):
        total += block_products(architecture, layer, active=active) + 2 * architecture.d_model
        if not architecture.has_attention(layer):
            assert architecture.state_space is not None
            total += _state_space_rest(architecture.state_space)
        elif architecture.qk_norm:
            total += 2 * architecture.head_width
    return total


def training_flops_per_token(architecture: Architecture) -> int:
    """Floating-point operations to train on one token, forward and backward; see the module's docstring."""
    products = architecture.vocab_size * architecture.d_model
    scans = 0
    for layer in range(architecture.layers):
        products += block_products(architecture, layer)
        if architecture.has_attention(layer):
            scans += 12 * architecture.heads * architecture.head_width * architecture.context
        else:
            assert architecture.state_space is not None
            scans += 6 * _scan_products(architecture.state_space)
    return 6 * products + scans


def _scan_products(state_space: StateSpace) -> int:
    """Multiplications per token of the chunked scan: C B^T, its product with x, chunk states in and out."""
    within = SCAN_CHUNK * (state_space.groups * state_space.d_state + state_space.inner)
    return within + 2 * state_space.inner * state_space.d_state
