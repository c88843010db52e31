"""Building blocks that encoders and decoders share."""

from torch import Tensor, nn


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
