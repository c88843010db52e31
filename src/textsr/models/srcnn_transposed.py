"""The article's `SuperResolutionNet`, made to work, as a baseline on the leaderboard."""

from torch import Tensor, nn


class SeedNet(nn.Module):
    """A 5x5 convolution, then one stride-2 transposed convolution an octave of the scale.

    As in the article, except that its input is an LR line and its target the HR line at `scale`
    times the size: the article resized both to 128x128 and could not compute its loss.
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
