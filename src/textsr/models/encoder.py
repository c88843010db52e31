"""What every encoder offers, so that pretraining and transfer are one code for all."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn


class Encoder(Protocol):
    """Turns LR lines into a pyramid of features, and those into instances to contrast."""

    channels: Sequence[int]
    """Channels of each level, finest first."""
    strides: Sequence[int]
    """LR pixels a feature, of each level, finest first."""
    instance_dim: int
    """Dimension of an instance."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Map (B, 1, H, W) in [0, 1] to levels (B, channels[i], H / strides[i], W / strides[i])."""

    def instances(self, levels: Sequence[Tensor]) -> Tensor:
        """Pool levels to (B, N, instance_dim): N parts of the line, left to right, or one."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without normalisation, as in EDSR (Lim et al. 2017, section 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        body: Tensor = self.body(features)
        return features + body


def build_encoder(name: str, width: int) -> "nn.Module":
    """Build an encoder by its name in params.yaml: `text` or `resnet18`.

    Args:
        name: the architecture.
        width: channels of the text encoder's finest level; `resnet18` has its own widths.
    """
    from textsr.models.resnet_encoder import ResNetEncoder
    from textsr.models.text_encoder import TextEncoder

    builders = {"text": lambda: TextEncoder(width), "resnet18": ResNetEncoder}
    return builders[name]()
