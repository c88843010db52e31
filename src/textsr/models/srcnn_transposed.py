"""SRCNN (Dong et al. 2014, arXiv 1501.00092) with transposed convolutions that upscale.

The plain network that the others on the leaderboard are compared with. FSRCNN (Dong et al. 2016,
arXiv 1608.00367, section 3.2) was the first to upscale at the end, by a transposed convolution.
"""

from torch import Tensor, nn


class SRCNNTransposed(nn.Module):
    """A 5x5 convolution, then one stride-2 transposed convolution an octave of the scale.

    Trained by mean squared error on an LR line and the HR line at `scale` times the size.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.halo = 8
        self.alignment = 1
        layers: list[nn.Module] = [nn.Conv2d(1, 64, kernel_size=5, padding=2), nn.ReLU()]
        if scale == 4:
            layers += [nn.ConvTranspose2d(64, 64, kernel_size=4, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(64, 1, kernel_size=4, stride=2, padding=1))
        self.upscale = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, H, W) in [0, 1] to (B, 1, H * scale, W * scale), not clipped."""
        upscaled: Tensor = self.upscale(images)
        return upscaled
