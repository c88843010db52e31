"""Estimating how high the text in an image is."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from textsr.inference.images import FloatImage

RANGE_PX = (7, 24)
"""Heights of text that the package's weights improve; nine of ten lines of 16 have 7 to 16."""

Sizes = npt.NDArray[np.integer[Any]]

# Ground is what lies around: wider than a letter of 64 px, so that letters are not their own.
_GROUND_PX = 129
_LEAST_CONTRAST = 0.02
_LEAST_PX = 4
# Gaps between letters of a word are narrower than half a letter's height; those of words are not.
_GAP = 0.5


def text_height(grey: FloatImage) -> float | None:
    """Estimate the height of the text in an HxW image in [0, 1], in pixels, or None if it has none.

    It is the median height of words, from the top to the bottom of their ink, each weighing as
    much as it is wide. Ink may be darker or lighter than the ground.
    """
    contrast = cv2.blur(grey, (_GROUND_PX, _GROUND_PX), borderType=cv2.BORDER_REFLECT) - grey
    if contrast.std() < _LEAST_CONTRAST:
        return None
    if (contrast**3).mean() < 0:  # ink is the smaller part, and the farther from the mean
        contrast = -contrast
    scaled = np.rint(np.clip(contrast, 0, 1) * 255).astype(np.uint8)
    _, ink = cv2.threshold(scaled, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    letters, widths = _boxes(ink)
    if letters.size == 0:
        return None
    gap = max(round(_GAP * _median(letters, widths)), 1)
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))
    # A gap wider than the image closes nothing and loses what there was.
    return _median(*_boxes(np.maximum(ink, joined)))


def _boxes(ink: npt.NDArray[Any]) -> tuple[Sizes, Sizes]:
    """Heights and widths of the connected parts that are no specks."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    parts = np.asarray(stats[1:], np.int32)  # the first is the ground
    parts = parts[parts[:, cv2.CC_STAT_HEIGHT] >= _LEAST_PX]
    return parts[:, cv2.CC_STAT_HEIGHT], parts[:, cv2.CC_STAT_WIDTH]


def _median(heights: Sizes, weights: Sizes) -> float:
    order = np.argsort(heights)
    total = np.cumsum(weights[order])
    return float(heights[order][np.searchsorted(total, total[-1] / 2)])
