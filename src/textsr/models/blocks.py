"""Building blocks that encoders and decoders share."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_RESIDUAL_SCALE = 0.3
_CHANNEL_STEP = 16  # of which CPUs compute as many at a time


class ResidualBlock(nn.Module):
    """Two convolutions without normalisation, as in EDSR (Lim et al. 2017, section 3.1).

    The second starts smaller, so that a deep stack starts near the identity (section 3.3 there
    scales the residuals themselves, for the same reason).
    """

    def __init__(
        self, channels: int, kernel: tuple[int, int] = (3, 3), expansion: float = 1.0
    ) -> None:
        """Build it with fresh weights.

        Args:
            channels: read and written.
            kernel: rows and columns.
            expansion: channels between the convolutions, as a share of `channels` (the expansion
                ratio of Sandler et al. 2018, section 3.3); rounded up to a multiple of 16, and no
                more than `channels`.
        """
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        rounded = math.ceil(channels * expansion / _CHANNEL_STEP) * _CHANNEL_STEP
        between = min(rounded, channels)
        last = nn.Conv2d(between, channels, kernel, padding=padding)
        last.weight.data.mul_(_RESIDUAL_SCALE)
        self.body = nn.Sequential(
            nn.Conv2d(channels, between, kernel, padding=padding), nn.ReLU(inplace=True), last
        )

    @torch.no_grad()
    def become_identity(self) -> None:
        """Change nothing until trained, as where a network that is trained already grows."""
        last = cast(nn.Conv2d, self.body[-1])
        last.weight.zero_()
        cast(Tensor, last.bias).zero_()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        body: Tensor = self.body(features)
        return features + body


class Expand(nn.Module):
    """A 1x1 convolution whose outputs become the pixels of a finer plane.

    The sub-pixel convolution of Shi et al. (2016, section 3.2), with a factor of its own a side.
    """

    def __init__(self, channels: int, out_channels: int, factors: tuple[int, int]) -> None:
        super().__init__()
        self.factors = factors
        self.mix = nn.Conv2d(channels, out_channels * factors[0] * factors[1], 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out_channels, H * factors[0], W * factors[1])."""
        tall, wide = self.factors
        mixed: Tensor = self.mix(features)
        count, channels, height, width = mixed.shape
        channels //= tall * wide
        parts = mixed.view(count, tall, wide, channels, height, width)
        return parts.permute(0, 3, 4, 1, 5, 2).reshape(count, channels, height * tall, width * wide)


def pad_to_multiple(images: Tensor, multiple: tuple[int, int]) -> Tensor:
    """Continue (B, C, H, W) by its last row and column until its sides are multiples."""
    height, width = images.shape[2:]
    missing = (-height % multiple[0], -width % multiple[1])
    return F.pad(images, (0, missing[1], 0, missing[0]), mode="replicate")
