"""An image of one channel upscaled whole, of the tiles that the package yields."""

from typing import Any

import numpy as np

from textsr.images.image import FloatImage
from textsr.inference.backend import Backend
from textsr.inference.tiling import magnify, upscale_tiles


def upscale_grey(backend: Backend, grey: FloatImage, **options: Any) -> FloatImage:
    scale = backend.scale
    height, width = grey.shape
    result = np.empty((height * scale, width * scale), np.float32)
    for part in upscale_tiles(backend, grey, **options):
        result[magnify(part.rows, scale), magnify(part.columns, scale)] = part.values
    return result
