"""How large a result is to be: by a factor, or by its resolution."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from textsr.documents.pdf import USUAL_DPI
from textsr.errors import TextsrError
from textsr.images.image import IntImage, LoadedImage

MOST = 8.0
"""The largest factor: beyond twice the network's, all that is added is pixels."""

_ROUNDING = 1.005
"""Files round resolutions, JPEGs to whole numbers: what has 299.5 dpi has 300."""


@dataclass(frozen=True)
class Sizing:
    """What is asked of a result's size; by default it is the network's.

    Attributes:
        scale: pixels of the result per pixel of the image, along a side; 1 to `MOST`.
        target_dpi: the resolution that the result has at least, in pixels per inch.
        dpi: the resolution of the images, whatever their files say; None: what those say.
    """

    scale: float | None = None
    target_dpi: float | None = None
    dpi: float | None = None

    def measured(self, image: LoadedImage) -> LoadedImage:
        """Return the image with the resolution that it is to be taken for."""
        return image if self.dpi is None else replace(image, dpi=(self.dpi, self.dpi))

    def least(self, network: int) -> float:
        """Return how many times as large results are at least, whatever their images."""
        return self.scale or (network if self.target_dpi is None else 1)

    def most(self, network: int) -> float:
        """Return how many times as large results are at most, whatever their images."""
        return self.scale or (network if self.target_dpi is None else MOST)

    def drawn_dpi(self, network: int) -> float:
        """Return the resolution of pages of a PDF that a program drew, where they become images.

        Args:
            network: how many times as large the network makes what is not drawn.
        """
        return self.target_dpi or (self.dpi or USUAL_DPI) * (self.scale or network)

    def factor(self, image: LoadedImage, network: int) -> float:
        """Return how many times as large the result is to be, at least 1.

        Args:
            image: as `measured` returns it.
            network: how many times as large the network makes it.

        Raises:
            TextsrError: if its resolution is to be known and is not, or is too low.
        """
        if self.scale is not None:
            return self.scale
        if self.target_dpi is None:
            return float(network)
        if image.dpi is None:
            raise TextsrError(
                "does not say its resolution, so that there is no way to "
                f"{self.target_dpi:g} dpi; name it (--dpi), or a factor (--scale)"
            )
        factor = self.target_dpi / min(image.dpi)
        if factor > MOST:
            raise TextsrError(
                f"has {min(image.dpi):g} dpi, and {self.target_dpi:g} dpi are more than {MOST:g} "
                "times as many; ask for less, or name its true resolution (--dpi)"
            )
        return factor if factor > _ROUNDING else 1.0


def at_factor(upscaled: LoadedImage, image: LoadedImage, factor: float) -> LoadedImage:
    """Bring a network's result to `factor` times the size of its image.

    Smaller by the mean over each pixel's area, larger by bicubic interpolation.

    Args:
        upscaled: the result.
        image: what it is of; its resolution grows with it.
        factor: at least 1.
    """
    size = round(image.width * factor), round(image.height * factor)
    dpi = None if image.dpi is None else (image.dpi[0] * factor, image.dpi[1] * factor)
    if size == (upscaled.width, upscaled.height):
        return replace(upscaled, dpi=dpi)
    is_less = size[0] < upscaled.width
    how = cv2.INTER_AREA if is_less else cv2.INTER_CUBIC

    def resize(values: IntImage) -> IntImage:
        return np.asarray(cv2.resize(values, size, interpolation=how), values.dtype)

    alpha = None if upscaled.alpha is None else resize(upscaled.alpha)
    return replace(upscaled, pixels=resize(upscaled.pixels), alpha=alpha, dpi=dpi)
