"""TSRN: Wang et al., "Scene Text Image Super-Resolution in the Wild", ECCV 2020."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.textzoom.backbone import BLOCKS, CHANNELS, Backbone, mse, residual_convolutions

GRADIENT_WEIGHT = 1e-4
"""Of the gradient profile loss beside the L2 loss ("Implementation Details")."""
_GRADIENT_EPSILON = 1e-6


class GruBlock(nn.Module):
    """A 1x1 convolution, then a bidirectional GRU along each row, 32 units a direction.

    The paper ("Sequential Residual Block") names an LSTM; its published code has this GRU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.gru = nn.GRU(CHANNELS, CHANNELS // 2, bidirectional=True, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, 64, H, W) to the same shape; rows do not see each other."""
        batch, channels, height, width = features.shape
        rows = self.mix(features).permute(0, 2, 3, 1).reshape(batch * height, width, channels)
        read: Tensor = self.gru(rows)[0]
        return read.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class SequentialResidualBlock(nn.Module):
    """Convolutions and a GRU down the columns, added to the input, then a GRU along the rows.

    ("Sequential Residual Block", and its figure; the order is the published code's.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = residual_convolutions()
        self.down = GruBlock()
        self.along = GruBlock()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, 64, H, W) to the same shape."""
        columns = self.convolutions(features).transpose(2, 3)
        sequential: Tensor = self.along(features + self.down(columns).transpose(2, 3))
        return sequential


class TSRN(Backbone):
    """The network of the paper without its central alignment module; see `Backbone`."""

    def __init__(self, scale: int) -> None:
        super().__init__([SequentialResidualBlock() for _ in range(BLOCKS)], scale)


def gradient_magnitude(images: Tensor) -> Tensor:
    """Return |gradient| a pixel, (B, C, H, W) like `images`, by central differences.

    Beyond the border lie zeros, and the root is kept off 0 by 1e-6, as in the published code.
    """
    padded = F.pad(images, (1, 1, 1, 1))
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.sqrt(across.square() + down.square() + _GRADIENT_EPSILON)


def gradient_profile_loss(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return the mean absolute difference of gradient magnitudes ("Gradient Profile Loss")."""
    return F.l1_loss(gradient_magnitude(upscaled), gradient_magnitude(hr))


def tsrn_loss(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return what TSRN is trained for: L2 + 1e-4 x gradient profile loss.

    The weights are the paper's. Its published code has 20 before L2, so that there the gradient
    profile weighs a twentieth of this.
    """
    return mse(upscaled, hr) + GRADIENT_WEIGHT * gradient_profile_loss(upscaled, hr)
