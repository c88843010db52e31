"""Square pixels: what a fax machine scans has more of them across than down."""

from dataclasses import replace

import cv2
import numpy as np

from textsr.images.image import LoadedImage, resized

_EVEN = 1.02
"""Ratio of resolutions up to which pixels count as square: files round them."""
_MOST = 4.5
"""Above this, a resolution is taken for wrong; of faxes it is 4.16 at most (408 x 98)."""


def square_size(width: int, height: int, dpi: tuple[float, float] | None) -> tuple[int, int]:
    """Return the size of an image with square pixels: that of the finer resolution, both ways."""
    across, down = dpi or (1, 1)
    if not _EVEN < max(across, down) / min(across, down) <= _MOST:
        return width, height
    finer = max(across, down)
    return max(round(width * finer / across), 1), max(round(height * finer / down), 1)


def with_square_pixels(image: LoadedImage) -> LoadedImage:
    """Return an image whose resolution is the same both ways; itself if it is already.

    The coarser way gets more pixels, by bicubic interpolation: no detail of the finer one is lost.
    """
    size = square_size(image.width, image.height, image.dpi)
    if size == (image.width, image.height):
        return image
    pixels, alpha = (
        None if plane is None else cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC)
        for plane in (image.pixels, image.alpha)
    )
    square = resized(image, np.asarray(pixels), None if alpha is None else np.asarray(alpha))
    finer = max(image.dpi or (1, 1))
    return replace(square, dpi=(finer, finer))  # without what sizes were rounded by
