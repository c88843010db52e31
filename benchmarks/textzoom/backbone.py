"""What TSRN and TBSRN share: SRResNet's frame around a stack of residual blocks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS = 64
"""Of all features at LR resolution and above, as in both papers."""
BLOCKS = 5
"""Residual blocks in a row, as in both papers."""


class Backbone(nn.Module):
    """A 9x9 stem, residual blocks within a long skip, pixel shuffles, a 9x9 convolution, tanh.

    The frame of TSRN (Wang et al. 2020, "Pipeline"), which takes it from SRResNet (Ledig et al.
    2017), and which TBSRN (Chen et al. 2021) keeps. Different here, for both:

    - Input and output are grey: one channel, where theirs are RGB, TSRN's with a binary mask.
    - Scale 4 is two shuffles by 2, where the papers' scale 2 is one.
    - The central alignment module, a spatial transformer that mends TextZoom's misaligned pairs,
      is left out: the pairs here are aligned by construction.
    """

    def __init__(self, blocks: Sequence[nn.Module], scale: int) -> None:
        """Take the residual blocks, each (B, 64, H, W) to the same shape, and a scale of 2 or 4."""
        super().__init__()
        self.scale = scale
        self.stem = nn.Sequential(nn.Conv2d(1, CHANNELS, 9, padding=4), nn.PReLU())
        self.body = nn.Sequential(
            *blocks, nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS)
        )
        doublings = scale.bit_length() - 1
        self.upscale = nn.Sequential(
            *(_double() for _ in range(doublings)), nn.Conv2d(CHANNELS, 1, 9, padding=4), nn.Tanh()
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, H, W) in [0, 1], any H and W, to (B, 1, H * scale, W * scale) in (-1, 1)."""
        shallow = self.stem(images)
        upscaled: Tensor = self.upscale(shallow + self.body(shallow))
        return upscaled


def residual_convolutions() -> nn.Sequential:
    """Return conv-BN-mish-conv-BN, 3x3: the convolutions of a residual block in both papers."""
    return nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        nn.BatchNorm2d(CHANNELS),
        nn.Mish(),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        nn.BatchNorm2d(CHANNELS),
    )


def _double() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 4 * CHANNELS, 3, padding=1), nn.PixelShuffle(2), nn.Mish()
    )


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers of a network are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def mse(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return the mean squared error of two (B, 1, H, W) in [0, 1]: the papers' L2 loss."""
    return torch.nn.functional.mse_loss(upscaled, hr)
