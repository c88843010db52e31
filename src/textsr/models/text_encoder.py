"""Our encoder: plain 3x3 convolutions at 1/2 and 1/4 of the LR resolution."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textsr.models.blocks import ResidualBlock

_INSTANCE_WIDTH = 4  # quarter-resolution columns an instance: 16 LR pixels, one or two letters
_FINE_BLOCKS = 2
_COARSE_BLOCKS = 3


class TextEncoder(nn.Module):
    """Pixel-unshuffle twice, residual blocks at each resolution.

    On CPUs, plain 3x3 convolutions on a plane a quarter of the size train several times faster
    than depthwise ones at full size, and see four times as far.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels: Sequence[int] = (width, 2 * width)
        self.strides: Sequence[int] = (2, 4)
        self.instance_dim = 2 * width
        self.fine = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4, width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(_FINE_BLOCKS)),
        )
        self.coarse = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * width, 2 * width, 3, padding=1),
            *(ResidualBlock(2 * width) for _ in range(_COARSE_BLOCKS)),
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, 1, H, W), sides multiples of 4, to levels at 1/2 and 1/4."""
        fine = self.fine(images - 0.5)
        return [fine, self.coarse(fine)]

    def instances(self, levels: Sequence[Tensor]) -> Tensor:
        """Pool the coarse level over the height and over 16 LR pixels of width.

        The instance mapping of SeqCLR (Aberdam et al. 2021, section 3.3): windows along the line,
        so that other parts of the same line, with its ink, ground and blur, are negatives.
        """
        columns = levels[-1].amax(2)
        windows = torch.nn.functional.avg_pool1d(columns, _INSTANCE_WIDTH)
        return windows.transpose(1, 2)
