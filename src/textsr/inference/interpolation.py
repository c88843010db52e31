"""Bicubic interpolation: by itself, and averaged with a network's output."""

import cv2
import numpy as np

from textsr.images.image import FloatImage
from textsr.inference.backend import Backend
from textsr.inference.tiling import magnify, widen

_REACH = 2  # LR pixels on either side that the kernel depends on, and a linear one's, too


def bicubic(images: FloatImage, scale: int) -> FloatImage:
    """Upscale (B, 1, H, W) to (B, 1, H * scale, W * scale), not clipped.

    The kernel is Keys' (1981) with a = -0.75, as in `textsr.models.bicubic`.
    """
    count, _, height, width = images.shape
    result = np.empty((count, 1, height * scale, width * scale), np.float32)
    size = (width * scale, height * scale)
    for image, upscaled in zip(images, result, strict=True):
        upscaled[0] = cv2.resize(image[0], size, interpolation=cv2.INTER_CUBIC)
    return result


def enlarge(
    values: FloatImage, rows: slice, columns: slice, scale: int, interpolation: int
) -> FloatImage:
    """Upscale a part of HxW or HxWxC values as it comes out of the whole.

    Args:
        values: of the whole image.
        rows: of the part, LR.
        columns: of the part, LR.
        scale: HR pixels per LR pixel.
        interpolation: `cv2.INTER_LINEAR` or `cv2.INTER_CUBIC`.
    """
    height, width = values.shape[:2]
    around_rows, around_columns = widen(rows, _REACH, height), widen(columns, _REACH, width)
    enlarged = cv2.resize(
        values[around_rows, around_columns], None, fx=scale, fy=scale, interpolation=interpolation
    )
    down = slice(rows.start - around_rows.start, rows.stop - around_rows.start)
    across = slice(columns.start - around_columns.start, columns.stop - around_columns.start)
    return np.asarray(enlarged[magnify(down, scale), magnify(across, scale)], np.float32)


class BicubicBackend:
    """Bicubic interpolation, as something to upscale by."""

    name = "bicubic"
    halo = _REACH
    alignment = 1

    def __init__(self, scale: int, threads: int = 1, workers: int = 1) -> None:
        self.scale = scale
        self.threads = threads
        self.workers = workers

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        """Upscale a batch; see `Backend.run`."""
        return bicubic(images, self.scale)


class BlendedBackend:
    """A network's output averaged with bicubic's; see `textsr.models.package.BlendedModel`."""

    def __init__(self, network: Backend, weight: float) -> None:
        """Make one.

        Args:
            network: what is averaged.
            weight: of the network's output, 0 to 1; the rest is bicubic's.
        """
        self.name = network.name
        self.scale = network.scale
        self.halo = network.halo
        self.alignment = network.alignment
        self.threads = network.threads
        self.workers = network.workers
        self._network = network
        self._weight = weight

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        """Upscale a batch; see `Backend.run`."""
        interpolated = bicubic(images, self.scale)
        if self._weight == 0:
            return interpolated
        result = self._network.run(images, threads)
        result -= interpolated
        result *= np.float32(self._weight)
        result += interpolated
        return result
