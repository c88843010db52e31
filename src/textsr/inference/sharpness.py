"""Telling images whose text is large and sharp already, which a network has nothing to add to."""

import cv2
import numpy as np
import numpy.typing as npt

from textsr.images.image import FloatImage
from textsr.inference.text_height import (
    GROUND_PX,
    RANGE_PX,
    find_ink,
    find_words,
    width_quantile,
)

SHARP = 0.4
"""Sharpness from which on text counts as sharp: between HR lines of `val`'s fonts (nine of ten have
0.49 to 0.88) and the same blurred by a Gaussian of 2 pixels (0.20 to 0.32, with noise to 0.36)."""

_NOISE_WINDOW = 5  # pixels: noise has steep edges, too; a stroke of large text is not narrower
_SMALL_SHARE = 0.2  # of the width of all words, that may be dots, commas and the like
_AROUND = np.ones((3, 3), np.uint8)


def is_sharp_already(grey: FloatImage) -> bool:
    """Tell whether an HxW image in [0, 1] has nothing but large text that is sharp.

    Small text always needs the network: its letters have few pixels, however steep their edges. So
    does what has some of it, such as a form, whose rules are higher than any text.
    """
    ink = find_ink(grey)
    words = None if ink is None else find_words(ink)
    if ink is None or words is None:
        return False
    smallest, largest = (width_quantile(*words, q) for q in (_SMALL_SHARE, 1 - _SMALL_SHARE))
    if smallest <= RANGE_PX[1] or largest > GROUND_PX:
        return False
    sharpness = edge_sharpness(grey, ink)
    return sharpness is not None and sharpness >= SHARP


def edge_sharpness(grey: FloatImage, ink: npt.NDArray[np.uint8]) -> float | None:
    """Return what neighbouring pixels differ by at the edges of ink, as a share of the contrast.

    It is the median over the edges of the largest difference next to each, so that it does not
    depend on how much of the image is text; its inverse is about the width of an edge in pixels.
    Contrast is that of ink to ground. None if either is missing.

    Args:
        grey: HxW, in [0, 1].
        ink: HxW, 1 where there is ink.
    """
    if ink.min() == ink.max():
        return None
    levels = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    levels = np.asarray(cv2.medianBlur(levels, _NOISE_WINDOW), np.uint8)
    contrast = abs(float(np.median(levels[ink == 1])) - float(np.median(levels[ink == 0])))
    if contrast == 0:
        return None
    # The difference to the steepest neighbour: the range of a 3x3 window would see two pixels far.
    steps = np.zeros_like(levels)
    steps[:, 1:] = cv2.absdiff(levels[:, 1:], levels[:, :-1])
    steps[1:] = np.maximum(steps[1:], cv2.absdiff(levels[1:], levels[:-1]))
    edges = cv2.dilate(ink, _AROUND) != ink
    return float(np.median(cv2.dilate(steps, _AROUND)[edges])) / contrast
