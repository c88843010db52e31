"""How wrong a network expects to be at each pixel."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textsr.models.upsampler import UpsamplerNet

Plane = npt.NDArray[np.float32]
"""(H, W)"""

_CHANNELS = 48
_UNTRAINED = -5.0  # log of a variance: 20 grey levels
_RANGE = (-12.0, 1.0)


class ErrorHead(nn.Module):
    """Predicts the variance of a frozen network's errors, out of its last features.

    A second output for the variance, trained by likelihood: Nix and Weigend (1994); for images,
    Kendall and Gal (2017, section 3.2).
    """

    def __init__(self, network: UpsamplerNet) -> None:
        """Freeze the network, and read its features."""
        super().__init__()
        # In a tuple, it is no part of what is trained, averaged and saved.
        self._frozen = (network.eval().requires_grad_(False),)
        channels = cast(nn.Conv2d, network.to_hr[0]).in_channels
        self.body = nn.Sequential(
            nn.Conv2d(channels + 1, _CHANNELS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, 1, 3, padding=1),
        )
        last = cast(nn.Conv2d, self.body[-1])
        nn.init.zeros_(last.weight)
        nn.init.constant_(cast(Tensor, last.bias), _UNTRAINED)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 1, H, W) to the network's output, and log variances (B, 1, H, W).

        A variance is of all HR pixels of an LR pixel.
        """
        network = self._frozen[0]
        seen: list[Tensor] = []
        hook = network.to_lr.register_forward_hook(lambda m, i, output: seen.append(output))
        try:
            with torch.no_grad():
                upscaled: Tensor = network(images)
        finally:
            hook.remove()
        features = seen[0][..., : images.shape[2], : images.shape[3]]
        variances = self.body(torch.cat([features, (images - 0.5).to(features)], 1)).float()
        return upscaled, variances.clamp(*_RANGE)


def squared_errors(upscaled: Tensor, hr: Tensor, scale: int) -> Tensor:
    """Return the mean squared error of each LR pixel's HR pixels: (B, 1, h, w)."""
    return F.avg_pool2d((upscaled - hr).square(), scale)


def likelihood_loss(log_variances: Tensor, squared: Tensor) -> Tensor:
    """Return a normal distribution's negative log-likelihood, without its constant."""
    return (log_variances + squared * torch.exp(-log_variances)).mean() / 2


def calibration(variances: Plane, squared: Plane, parts: int = 10) -> pd.DataFrame:
    """Compare what was expected with what came, from the most certain pixels to the least.

    Args:
        variances: predicted, any shape.
        squared: the squared errors that came, likewise.
        parts: of equal size, in which the pixels are compared.

    Returns:
        `expected` and `found`, root mean squares in [0, 1], a row a part.
    """
    order = np.argsort(variances, axis=None, kind="stable")
    rows: list[dict[str, Any]] = []
    for part in np.array_split(order, parts):
        means = (float(values.reshape(-1)[part].mean()) for values in (variances, squared))
        expected, found = (np.sqrt(mean) for mean in means)
        rows.append({"expected": expected, "found": found})
    return pd.DataFrame(rows)
