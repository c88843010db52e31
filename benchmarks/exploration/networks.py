"""Networks that differ from the package's in one point."""

from typing import cast

import torch
from torch import Tensor, nn

from textsr.models.blocks import ResidualBlock
from textsr.models.text_encoder import TextEncoder
from textsr.models.upsampler import UpsamplerNet

_HEADS = 4


class LineAttention(nn.Module):
    """Self-attention among the frames of a row (Vaswani et al. 2017, section 3.2), as a residual.

    TBSRN (Chen et al. 2021) attends among all pixels; along the line it is a hundredth of the work.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attend = nn.MultiheadAttention(channels, _HEADS, batch_first=True)
        nn.init.zeros_(self.attend.out_proj.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        count, channels, height, width = features.shape
        rows = features.permute(0, 2, 3, 1).reshape(count * height, width, channels)
        seen = self.norm(rows)
        attended, _ = self.attend(seen, seen, seen, need_weights=False)
        mixed = attended.view(count, height, width, channels).permute(0, 3, 1, 2)
        return features + mixed


class Reparameterised(nn.Module):
    """A 3x3 convolution that is trained as the sum of a 3x3, a 1x1 and nothing at all.

    RepVGG (Ding et al. 2021, section 3.2) without its normalisation; `fused` makes it one again.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        """Start from a 3x3 convolution, stride 1, as many channels out as in."""
        super().__init__()
        channels = convolution.out_channels
        self.wide = convolution
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.zeros_(self.point.weight)
        self.through = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        wide: Tensor = self.wide(features)
        return wide + self.point(features) + self.through * features

    @torch.no_grad()
    def fused(self) -> nn.Conv2d:
        """Return the one convolution that does the same."""
        weight = self.wide.weight
        weight[:, :, 1:2, 1:2] += self.point.weight
        weight[:, :, 1, 1].diagonal().add_(self.through.flatten())
        return self.wide


def with_attention(network: UpsamplerNet) -> UpsamplerNet:
    """Let the frames attend to each other before the blocks along the line."""
    encoder = cast(TextEncoder, network.encoder)
    encoder.sequence.insert(0, LineAttention(encoder.channels[-1]))
    return network


def reparameterised(network: UpsamplerNet) -> UpsamplerNet:
    """Train every 3x3 convolution of a residual block as three branches."""
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            for place in (0, -1):
                layer = cast(nn.Conv2d, block.body[place])
                if layer.kernel_size == (3, 3):
                    block.body[place] = Reparameterised(layer)
    return network


def fuse(network: nn.Module) -> None:
    """Make each `Reparameterised` one convolution again, in place."""
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            for place in (0, -1):
                if isinstance(layer := block.body[place], Reparameterised):
                    block.body[place] = layer.fused()
