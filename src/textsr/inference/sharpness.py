"""Telling images whose text is large and sharp already, which a network has nothing to add to."""

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from textsr.inference.images import FloatImage
from textsr.inference.text_height import RANGE_PX
from textsr.models.bicubic import bicubic

SHARP = 0.35
"""Sharpness from which on large text counts as sharp. Of 300 HR lines of `val`'s fonts, 91% of them
with large text, 89% have more; blurred by a Gaussian of 2 or 3 pixels 0 to 1%, and with noise of 6
to 20 grey levels besides 0 to 5%."""

_NOISE_WINDOW = 5  # pixels: noise has steep edges, too; a stroke of large text is not narrower

_STEEPEST = 99  # percentile
_LOOKED_AT = 1_000_000  # pixels


class BicubicModel(nn.Module):
    """Bicubic interpolation, as something to upscale by."""

    halo = 16
    alignment = 1

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1, H, W) in [0, 1] to (B, 1, H * scale, W * scale), not clipped."""
        return bicubic(images, self.scale)


def is_sharp_already(grey: FloatImage, height: float) -> bool:
    """Tell whether an HxW image in [0, 1], whose text is so many pixels high, needs no network.

    Small text always does: its letters have few pixels, however steep their edges.
    """
    if height <= RANGE_PX[1]:
        return False
    levels = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    sharpness = edge_sharpness(cv2.medianBlur(levels, _NOISE_WINDOW))
    return sharpness is not None and sharpness >= SHARP


def edge_sharpness(image: npt.NDArray[np.generic]) -> float | None:
    """Return what neighbouring pixels differ by at the steepest hundredth of edges.

    It is a share of the contrast, which is between the 5th and the 95th percentile; its inverse is
    about the width of an edge in pixels. Of more than a million pixels, rows and columns at equal
    distances are looked at. None of an image without contrast.
    """
    step = max(image.size // _LOOKED_AT, 1)
    rows, columns = (part.astype(np.float32) for part in (image[::step], image[:, ::step]))
    contrast = float(np.subtract(*np.percentile(rows, (95, 5))))
    steps = np.concatenate([np.abs(np.diff(rows, axis=1)), np.abs(np.diff(columns, axis=0))], None)
    if contrast == 0 or not steps.size:
        return None
    return float(np.percentile(steps, _STEEPEST)) / contrast
