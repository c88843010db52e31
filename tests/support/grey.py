"""An image of one channel upscaled whole, of the tiles that the package yields."""

import numpy as np

from textsr.images.image import FloatImage
from textsr.inference.backend import Backend
from textsr.inference.tiling import TILE, Progress, magnify, upscale_tiles


def upscale_grey(
    backend: Backend,
    grey: FloatImage,
    *,
    tile: int = TILE,
    halo: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> FloatImage:
    scale = backend.scale
    height, width = grey.shape
    result = np.empty((height * scale, width * scale), np.float32)
    for part in upscale_tiles(
        backend, grey, tile=tile, halo=halo, threads=threads, progress=progress
    ):
        result[magnify(part.rows, scale), magnify(part.columns, scale)] = part.values
    return result
