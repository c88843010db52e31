"""The super-resolution network: an encoder, a decoder and bicubic's output to correct."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textsr.models.bicubic import bicubic
from textsr.models.blocks import ResidualBlock
from textsr.models.encoder import Encoder, build_encoder

# LR pixels around a tile beyond which nothing changes its result (measured below 1e-6).
_HALO = {"text": 64, "resnet18": 256}
_DECODER_BLOCKS = 2
_HEAD_CHANNELS = 32


class UpsamplerNet(nn.Module):
    """Encoder levels are fused at half the LR resolution, then shuffled up to HR.

    The output is bicubic's plus the network's correction, so an untrained network is bicubic.
    """

    def __init__(self, encoder: str, width: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.halo = _HALO[encoder]
        self.encoder = build_encoder(encoder, width)
        levels = cast(Encoder, self.encoder)
        self._multiple = max(levels.strides)
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in levels.channels)
        # Encoders coarser than this would lose single strokes; the image itself comes along.
        self.detail = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, width, 3, padding=1))
        self.fuse = nn.Sequential(*(ResidualBlock(width) for _ in range(_DECODER_BLOCKS)))
        self.to_lr = nn.Sequential(
            nn.Conv2d(width, 4 * _HEAD_CHANNELS, 3, padding=1),
            nn.PixelShuffle(2),
            nn.ReLU(inplace=True),
        )
        self.to_hr = nn.Sequential(
            nn.Conv2d(_HEAD_CHANNELS, scale**2, 3, padding=1), nn.PixelShuffle(scale)
        )
        last = cast(nn.Conv2d, self.to_hr[0])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(cast(Tensor, last.bias))

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, H, W) in [0, 1], any H and W, to (B, 1, H * scale, W * scale), not clipped."""
        height, width = images.shape[2:]
        padded = F.pad(
            images, (0, -width % self._multiple, 0, -height % self._multiple), mode="replicate"
        )
        # A constant, not the image's mean: a tile must not depend on what lies outside it.
        features = self.detail(padded - 0.5)
        for lateral, level in zip(self.laterals, self.encoder(padded), strict=True):
            features = features + F.interpolate(lateral(level), features.shape[2:])
        correction = self.to_hr(self.to_lr(self.fuse(features)))
        correction = correction[..., : height * self.scale, : width * self.scale]
        return bicubic(images, self.scale) + cast(torch.Tensor, correction)
