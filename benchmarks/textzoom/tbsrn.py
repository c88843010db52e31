"""TBSRN: Chen et al., "Scene Text Telescope: Text-Focused Scene Image Super-Resolution", CVPR 2021.

Its text-focused loss compares what a transformer recogniser, trained beforehand and frozen, makes
of the upscaled line and of HR. There is no such recogniser here: none may be downloaded, and one of
our readers, which judge, must not train. So it is trained for the L2 loss alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.textzoom.backbone import BLOCKS, CHANNELS, Backbone, residual_convolutions

_HEADS = 4
_WIDTH = 2 * CHANNELS  # features and, as many, positions
_DROPOUT = 0.1
_WAVELENGTHS = 10_000.0


def positions_2d(channels: int, height: int, width: int) -> Tensor:
    """Return sines and cosines of the place, (channels, height, width).

    The first half of the channels tells the column, the second the row, each as in Vaswani et al.
    2017, section 3.5: sine and cosine in turn, wavelengths from 2 pi to 10,000 x 2 pi.

    Args:
        channels: a multiple of 4.
        height: rows.
        width: columns.
    """
    half = channels // 2
    rates = torch.exp(torch.arange(0, half, 2) * (-math.log(_WAVELENGTHS) / half))

    def encode(length: int) -> Tensor:
        angles = torch.arange(length)[None] * rates[:, None]
        return torch.stack([angles.sin(), angles.cos()], 1).reshape(half, length)

    columns = encode(width)[:, None].expand(half, height, width)
    rows = encode(height)[:, :, None].expand(half, height, width)
    return torch.cat([columns, rows])


class SelfAttention(nn.Module):
    """Multi-head attention of every position to every position (Vaswani et al. 2017, 3.2.2).

    The published code drops a tenth of the attention weights in training. That is left out: with
    it attention cannot be fused, which takes three times as long a line and gigabytes a batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.merge = (nn.Linear(_WIDTH, _WIDTH) for _ in range(4))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, 128) to the same shape."""
        batch, count, _ = tokens.shape
        query, key, value = (
            layer(tokens).reshape(batch, count, _HEADS, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(query, key, value)
        merged: Tensor = self.merge(seen.transpose(1, 2).reshape(batch, count, _WIDTH))
        return merged


class FeatureEnhancer(nn.Module):
    """The paper's transformer part: positions joined on, self-attention, feed-forward, projection.

    Attention runs over all H x W positions, 1024 of a 16x64 line, as published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attention = SelfAttention()
        self.norm_attention = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.feed_forward = nn.Sequential(
            nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(_WIDTH, _WIDTH)
        )
        self.norm_feed_forward = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.project = nn.Linear(_WIDTH, CHANNELS)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, 64, H, W) to the same shape."""
        batch, channels, height, width = features.shape
        places = positions_2d(channels, height, width).to(features)
        joined = torch.cat([features, places.expand(batch, -1, -1, -1)], 1)
        tokens = joined.flatten(2).transpose(1, 2)
        tokens = self.norm_attention(tokens + self.attention(tokens))
        tokens = self.norm_feed_forward(tokens + self.feed_forward(tokens))
        projected: Tensor = self.project(tokens)
        return projected.transpose(1, 2).reshape(batch, channels, height, width)


class TransformerBlock(nn.Module):
    """TSRN's residual block with self-attention in place of its GRUs."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = residual_convolutions()
        self.enhance = FeatureEnhancer()
        for parameter in self.parameters():  # as the published code does
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, 64, H, W) to the same shape."""
        enhanced: Tensor = self.enhance(self.convolutions(features))
        return features + enhanced


class TBSRN(Backbone):
    """The network of the paper without its spatial transformer; see `Backbone`."""

    def __init__(self, scale: int) -> None:
        super().__init__([TransformerBlock() for _ in range(BLOCKS)], scale)
