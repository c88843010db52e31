"""Checkerboards: the pattern of an upscaler's own pixel grid in its output.

Layers that enlarge by transposed convolution or by rearranging treat the places within a pixel of
their input unlike one another (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"). What
repeats with every LR pixel lies at the harmonics of the LR sampling frequency: for scale 4 at 1/4
and 1/2 cycles an HR pixel. A network that works at half the LR resolution, as ours does, may repeat
itself with every second LR pixel, at the harmonics of half of that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textsr.images.grey import Image

_PERIODS = 4  # a window's side


def checkerboard_levels(images: Sequence[Image], period: int) -> float:
    """Return the RMS, in grey levels, of what repeats every `period` pixels, both ways.

    Energy at the harmonics is no pattern by itself: edges of text have some, too. But theirs has
    another phase in each place, where a pattern's is the same. So what counts is the energy that
    windows of 4x4 periods have in common with others of the image, as the mean of the products of
    their coefficients (a coherent average, whose expectation is 0 for what has no common phase).
    Windows of one row or column are not compared: a baseline or a stem runs through all of them.

    Args:
        images: upscaled, HxW.
        period: pixels. With `scale`, harmonics are those of the LR grid; with twice that, those of
            a network that works at half the LR resolution as well, but text has so much at these
            that they can be told on paper only.

    Returns:
        0 where nothing repeats; NaN where no image has two rows and two columns of windows.
    """
    energy, pairs = 0.0, 0
    for image in images:
        found = _coefficients(image, period)
        rows, columns = found.shape[:2]
        # All pairs, less those within a row, less those within a column; each window's own was in
        # both.
        energy += (
            _squares(found.sum((0, 1)))
            - _squares(found.sum(1))
            - _squares(found.sum(0))
            + _squares(found)
        )
        pairs += rows * (rows - 1) * columns * (columns - 1)
    return float(np.sqrt(max(energy / pairs, 0.0))) if pairs else float("nan")


def _coefficients(image: Image, period: int) -> npt.NDArray[np.complex128]:
    """Return each window's coefficients at the harmonics: (rows, columns, harmonics)."""
    side = _PERIODS * period
    rows, columns = (length // side for length in image.shape)
    windows = image[: rows * side, : columns * side].astype(np.float64)
    windows = windows.reshape(rows, side, columns, side)
    windows = windows - windows.mean((1, 3), keepdims=True)
    hann = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    turns = np.outer(np.arange(period) / period, np.arange(side))
    waves = hann / hann.sum() * np.exp(-2j * np.pi * turns)
    across = (windows @ waves.T).transpose(0, 2, 3, 1)
    found = np.asarray(across @ waves.T, np.complex128).reshape(rows, columns, period**2)
    return found[..., 1:]  # less the mean, which comes first


def _squares(values: npt.NDArray[Any]) -> float:
    return float(np.square(np.abs(values)).sum())
