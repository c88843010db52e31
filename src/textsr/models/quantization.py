"""Weights in 8 bits: half the bytes of half precision, for what travels with every installation.

Symmetric, a scale an output channel, as Krishnamoorthi (2018, arXiv 1806.08342, section 3) finds
to cost networks of convolutions least. Weights alone are stored so; computation is as before.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = "@scale"
"""Ends the name of a tensor of scales; no name of a parameter holds an @."""

_LARGEST = 127


def quantize(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round a network's weights to 8 bits.

    Args:
        state: of a network, floats. What has one dimension (biases, statistics) stays as it is.

    Returns:
        Of each rounded weight an int8 tensor of its shape, and `NAME@scale`, one float32 for each
        of its first dimension, by which it is to be multiplied.
    """
    stored: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim < 2:
            stored[name] = value
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(1) / _LARGEST
        # A channel of zeros stays one.
        steps = rows / scale.where(scale > 0, torch.ones_like(scale))[:, None]
        stored[name] = steps.round().to(torch.int8).view_as(value)
        stored[name + SCALE] = scale
    return stored


def dequantize(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state that `quantize` stored; one that it did not store, as it is."""
    state = {}
    for name, value in stored.items():
        if name.endswith(SCALE):
            continue
        scale = stored.get(name + SCALE)
        if scale is not None:
            value = value.float() * scale.view(-1, *[1] * (value.ndim - 1))
        state[name] = value
    return state
