"""What can be measured of an LR image of text without knowing what it says."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd
from scipy.fft import dctn

from textsr.images.grey import Image
from textsr.images.image import LoadedImage
from textsr.inference.backend import Backend
from textsr.inference.upscale import upscale_image
from textsr.ocr.engine import OCREngine

UNITS = {
    "height_px": "LR pixels",
    "contrast_levels": "grey levels",
    "sharpness": "share of the contrast",
    "noise_levels": "grey levels",
    "blocking": "share of coefficients",
    "confidence_before": "0 to 1",
    "confidence_after": "0 to 1",
}
"""The unit of each property, the columns of `measure_images`; `Tolerance` names the same."""

CONFIDENCE = ["confidence_before", "confidence_after"]
"""The properties that an OCR engine tells: comparable where it is the same engine's."""

VERSION = 1
"""To be raised with any change to what is measured: a kept profile must not be compared to it."""

# Second differences both ways, after Immerkaer (1996): straight edges vanish, noise stays.
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_GAIN = 6.0  # the kernel's norm
_QUIET_SHARE = 0.25  # of an image; elsewhere there may be strokes
_QUIET_QUANTILE = 0.3186  # that share of normal values is less than this from zero
_STEEPEST = 99  # percentile
# Where ink covers less than a twentieth of an image, its contrast is next to nothing: one such
# image must not move a whole folder's mean.
_SHARPEST = 2.0
_BLOCK = 8  # pixels, JPEG's
_VANISHED = 0.5  # a coefficient nearer to zero was quantised to it, or rounding undid the rest


def measure_image(image: Image) -> dict[str, float | None]:
    """Measure a grey HxW image; what cannot be measured of it is None.

    Returns:
        height_px: rows.
        contrast_levels: grey levels between the 5th and the 95th percentile.
        sharpness: what neighbouring pixels differ by at the steepest hundredth of edges, as share
            of the contrast, at most 2. Its inverse is about the width of an edge in pixels.
        noise_levels: standard deviation of the noise, from the quietest quarter of the image, grey
            levels; up to twice as much where strokes fill half of it.
        blocking: share of vanishing DCT coefficients in the 8x8 blocks of that grid where most
            vanish, less the median over all 64 positions of the grid. JPEG leaves one position
            that stands out, wherever the image was cut out of a larger one.
    """
    contrast = float(np.subtract(*np.percentile(image, (95, 5))))
    return {
        "height_px": float(image.shape[0]),
        "contrast_levels": contrast,
        "sharpness": _sharpness(image, contrast),
        "noise_levels": _noise(image),
        "blocking": _blocking(image),
    }


def _sharpness(image: Image, contrast: float) -> float | None:
    values = image.astype(np.float32)
    steps = np.concatenate([np.abs(np.diff(values, axis=axis)).ravel() for axis in (0, 1)])
    if contrast == 0 or not steps.size:
        return None
    return min(float(np.percentile(steps, _STEEPEST)) / contrast, _SHARPEST)


def _noise(image: Image) -> float | None:
    if min(image.shape) < len(_NOISE_KERNEL):
        return None
    response = cv2.filter2D(image.astype(np.float32), -1, _NOISE_KERNEL)[1:-1, 1:-1]
    quiet = float(np.quantile(np.abs(response), _QUIET_SHARE))
    return quiet / (_NOISE_GAIN * _QUIET_QUANTILE)


def _blocking(image: Image) -> float | None:
    # A smaller image has positions of the grid without a whole block.
    if min(image.shape) < 2 * _BLOCK - 1:
        return None
    blocks = np.lib.stride_tricks.sliding_window_view(image.astype(np.float32), (_BLOCK, _BLOCK))
    vanished = (np.abs(dctn(blocks, axes=(2, 3), norm="ortho")) < _VANISHED).mean(axis=(2, 3))
    shares = [
        vanished[top::_BLOCK, left::_BLOCK].mean()
        for top in range(_BLOCK)
        for left in range(_BLOCK)
    ]
    return float(max(shares) - np.median(shares))


def measure_images(
    images: Sequence[Image],
    read: int,
    backend: Backend,
    engine: OCREngine,
    tick: Callable[[], None],
) -> pd.DataFrame:
    """Measure images, a row each; columns are those of `UNITS`, NaN where not measured.

    Args:
        images: grey HxW images.
        read: how many of them, at equal distances, are read as they are and upscaled.
        backend: what upscales them.
        engine: what reads them.
        tick: called after each image.
    """
    chosen = set(np.linspace(0, len(images) - 1, min(read, len(images))).round().astype(int))
    rows = []
    for number, image in enumerate(images):
        row = measure_image(image)
        if number in chosen:
            upscaled = upscale_image(backend, LoadedImage(image))
            both = [image, np.asarray(upscaled.pixels, np.uint8)]
            row |= zip(CONFIDENCE, engine.confidence(both), strict=True)
        rows.append(row)
        tick()
    return pd.DataFrame(rows, columns=list(UNITS), dtype=np.float64)
