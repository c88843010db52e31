"""Our encoder: a line is folded row by row into a sequence of frames along it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from textsr.models.blocks import ResidualBlock, pad_to_multiple

_INSTANCE_FRAMES = 8  # 16 LR pixels, one or two letters
_STAGE_BLOCKS = 2
COARSE_BLOCKS = 2
"""Of the last stage, an eighth as high as the line."""
SEQUENCE_BLOCKS = 3
"""Along the line."""


class TextEncoder(nn.Module):
    """Three stages of 3x3 residual blocks, each half as high, then blocks along the line.

    The width stays at half the LR resolution, while the height of a 16-pixel line shrinks to one
    row: what recognizers do (CRNN, Shi et al. 2017, section 2.1), so that the coarsest level can
    know letters, whose features come in the order in which the line is read. Every level is made
    of plain convolutions: on CPUs they run several times faster than depthwise or recurrent
    layers, and they see a bounded part of the image, so that it can be cut into tiles.
    """

    def __init__(
        self,
        width: int,
        coarse_blocks: int = COARSE_BLOCKS,
        sequence_blocks: int = SEQUENCE_BLOCKS,
        expansion: float = 1.0,
    ) -> None:
        """Build it with fresh weights.

        Args:
            width: channels of the finest level.
            coarse_blocks: of the last stage.
            sequence_blocks: along the line; each sees four LR pixels further to both sides.
            expansion: of all blocks; see `ResidualBlock`.
        """
        super().__init__()
        self.channels: Sequence[int] = (width, 5 * width // 4, 3 * width // 2, 5 * width // 2)
        self.strides: Sequence[tuple[int, int]] = ((2, 2), (4, 2), (8, 2), (16, 2))
        self.instance_dim = self.channels[-1]
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, width, 3, padding=1))
        blocks = (_STAGE_BLOCKS, _STAGE_BLOCKS, coarse_blocks)
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(channels, expansion=expansion) for _ in range(count)))
            for channels, count in zip(self.channels[:-1], blocks, strict=True)
        )
        self.downs = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(fine, coarse, (2, 3), stride=(2, 1), padding=(0, 1)))
            for fine, coarse in zip(self.channels, self.channels[1:], strict=False)
        )
        self.sequence = nn.Sequential(
            *(ResidualBlock(self.channels[-1], (1, 3), expansion) for _ in range(sequence_blocks))
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, 1, H, W) to its levels; H and W are continued to multiples of 16 and 2."""
        # A constant, not the image's mean: a tile must not depend on what lies outside it.
        features = self.stem(pad_to_multiple(images, self.strides[-1]) - 0.5)
        levels = []
        for stage, down in zip(self.stages, self.downs, strict=True):
            features = stage(features)
            levels.append(features)
            features = down(features)
        return [*levels, self.sequence(features)]

    def instances(self, levels: Sequence[Tensor]) -> Tensor:
        """Pool the frames over the height and over 16 LR pixels of width.

        The instance mapping of SeqCLR (Aberdam et al. 2021, section 3.3): windows along the line,
        so that other parts of the same line, with its ink, ground and blur, are negatives.
        """
        frames = levels[-1].amax(2)
        windows = torch.nn.functional.avg_pool1d(frames, _INSTANCE_FRAMES)
        return windows.transpose(1, 2)
