"""Estimating how high the text in an image is."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from textsr.images.image import FloatImage

RANGE_PX = (7, 24)
"""Heights of text that the pretrained weights improve; nine of ten lines of 16 have 7 to 16."""

Sizes = npt.NDArray[np.integer[Any]]

GROUND_PX = 129
"""Ground is what lies around: wider than a letter of 64 px, so that letters are not their own."""

_LEAST_CONTRAST = 0.02
_LEAST_PX = 4
# Gaps between letters of a word are narrower than half a letter's height; those of words are not.
_GAP = 0.5


def text_height(grey: FloatImage) -> float | None:
    """Estimate the height of the text in an HxW image in [0, 1], in pixels, or None if it has none.

    It is the median height of words, from the top to the bottom of their ink, each weighing as
    much as it is wide. Ink may be darker or lighter than the ground.
    """
    ink = find_ink(grey)
    words = None if ink is None else find_words(ink)
    return None if words is None else width_quantile(*words, 0.5)


def find_ink(grey: FloatImage) -> npt.NDArray[np.uint8] | None:
    """Return where an HxW image in [0, 1] has ink (1), or None if it is of one tone."""
    contrast = cv2.blur(grey, (GROUND_PX, GROUND_PX), borderType=cv2.BORDER_REFLECT) - grey
    if contrast.std() < _LEAST_CONTRAST:
        return None
    if (contrast**3).mean() < 0:  # ink is the smaller part, and the farther from the mean
        contrast = -contrast
    scaled = np.rint(np.clip(contrast, 0, 1) * 255).astype(np.uint8)
    _, ink = cv2.threshold(scaled, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(ink, np.uint8)


def find_words(ink: npt.NDArray[np.uint8]) -> tuple[Sizes, Sizes] | None:
    """Return heights and widths of the words that a mask of ink shows, or None if there are none.

    Whatever is connected and no speck counts as one: rules and boxes, too.
    """
    letters, widths = _boxes(ink)
    if letters.size == 0:
        return None
    gap = max(round(_GAP * width_quantile(letters, widths, 0.5)), 1)
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))
    # A gap wider than the image closes nothing and loses what there was.
    return _boxes(np.maximum(ink, joined))


def _boxes(ink: npt.NDArray[Any]) -> tuple[Sizes, Sizes]:
    """Heights and widths of the connected parts that are no specks."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    parts = np.asarray(stats[1:], np.int32)  # the first is the ground
    parts = parts[parts[:, cv2.CC_STAT_HEIGHT] >= _LEAST_PX]
    return parts[:, cv2.CC_STAT_HEIGHT], parts[:, cv2.CC_STAT_WIDTH]


def width_quantile(heights: Sizes, widths: Sizes, share: float) -> float:
    """Return the height that so large a share of all widths does not exceed."""
    order = np.argsort(heights)
    total = np.cumsum(widths[order])
    return float(heights[order][np.searchsorted(total, share * total[-1])])
