"""The super-resolution network: an encoder, a decoder and bicubic's output to correct."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from textsr.models.bicubic import bicubic
from textsr.models.blocks import Expand, ResidualBlock, pad_to_multiple
from textsr.models.encoder import Encoder, build_encoder
from textsr.models.text_encoder import COARSE_BLOCKS, SEQUENCE_BLOCKS

# LR pixels around a tile beyond which nothing changes its result (measured below 1e-6).
_HALO = {"text": 96, "resnet18": 256}
_SPARE = 32  # at which the network of two further such blocks is still below 1e-6
_FINE_STRIDE = (2, 2)
_FINE_BLOCKS = 2
_COARSE_BLOCKS = 1
_HEAD_CHANNELS = 32


class UpsamplerNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015) whose finest level, at half the LR size, grows to HR.

    The output is bicubic's plus the network's correction, so an untrained network is bicubic.
    """

    def __init__(
        self,
        encoder: str,
        width: int,
        scale: int,
        *,
        coarse_blocks: int = COARSE_BLOCKS,
        sequence_blocks: int = SEQUENCE_BLOCKS,
        expansion: float = 1.0,
    ) -> None:
        """Build it with fresh weights; see `build_encoder`."""
        super().__init__()
        self.scale = scale
        self.halo = _halo(encoder, coarse_blocks, sequence_blocks)
        self.encoder = build_encoder(encoder, width, coarse_blocks, sequence_blocks, expansion)
        pyramid = cast(Encoder, self.encoder)
        self._multiple = pyramid.strides[-1]
        self.alignment = max(self._multiple)
        channels, strides = list(pyramid.channels), list(pyramid.strides)
        # Encoders coarser than this would lose single strokes; the image itself comes along.
        self.detail: nn.Module | None = None
        if strides[0] != _FINE_STRIDE:
            self.detail = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, width, 3, padding=1))
            channels, strides = [width, *channels], [_FINE_STRIDE, *strides]
        self.expands = nn.ModuleList(
            Expand(channels[i + 1], channels[i], _ratio(strides[i + 1], strides[i]))
            for i in range(len(channels) - 1)
        )
        self.fuses = nn.ModuleList(
            nn.Sequential(
                *(
                    ResidualBlock(c, expansion=expansion)
                    for _ in range(_COARSE_BLOCKS if i else _FINE_BLOCKS)
                )
            )
            for i, c in enumerate(channels[:-1])
        )
        self.to_lr = nn.Sequential(
            nn.Conv2d(channels[0], 4 * _HEAD_CHANNELS, 3, padding=1),
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
        return self.upscale(images)[0]

    def upscale(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `forward` returns, and the encoder's coarsest level."""
        height, width = images.shape[2:]
        padded = pad_to_multiple(images, self._multiple)
        levels: Sequence[Tensor] = self.encoder(padded)
        frames = levels[-1]
        if self.detail is not None:
            levels = [self.detail(padded - 0.5), *levels]
        features = frames
        steps = list(zip(self.expands, self.fuses, levels[:-1], strict=True))
        for expand, fuse, level in reversed(steps):
            features = fuse(level + expand(features))
        correction = self.to_hr(self.to_lr(features))
        correction = correction[..., : height * self.scale, : width * self.scale]
        # In full precision, whatever the network computed in: HR has more than 8 bits' worth.
        return bicubic(images, self.scale) + cast(torch.Tensor, correction).float(), frames


def _halo(encoder: str, coarse_blocks: int, sequence_blocks: int) -> int:
    """Return the LR pixels around a tile, a multiple of the alignment, that its result depends on.

    A further block of the text encoder's last stage sees 16 rows and 4 columns further, one along
    the line 4 columns; what is measured has 32 to spare.
    """
    coarse, sequence = coarse_blocks - COARSE_BLOCKS, sequence_blocks - SEQUENCE_BLOCKS
    further = max(16 * coarse, 4 * (coarse + sequence), _SPARE) - _SPARE if encoder == "text" else 0
    return _HALO[encoder] + -(-further // 16) * 16


def _ratio(coarse: tuple[int, int], fine: tuple[int, int]) -> tuple[int, int]:
    return coarse[0] // fine[0], coarse[1] // fine[1]
