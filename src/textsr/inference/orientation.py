"""Telling whether text runs down an image, and turning such an image."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from textsr.images.image import FloatImage, LoadedImage
from textsr.inference.text_height import find_ink

# The shares and counts below were chosen so that of 4,617 upright images one is turned, a synthetic
# page of 160, and none of 4,457 real lines and words. Of the same turned by 90 degrees, it finds
# 74% of the receipts' lines, 43% of the scene words and 32% of the pages, many hardly legible.
_CERTAIN = 0.75  # of the letters, that have their neighbours above and below
_LETTERS = 12  # by which an image of any shape can be told
_FEW_LETTERS = 2  # by which one can be told that is high and narrow, as a turned line is
_NARROW = 1.5  # times as high as wide
_SOME_LETTERS = 8  # by which one can be told where the lines show it, too
_LINES = 0.7  # log of how much more the means of columns vary than those of rows

_LEAST_PX = 4  # of the longer side; smaller parts are specks
_LEAST_SIZE = 0.4  # of the usual part's longer side: dots on letters have their letters below
_FACING = 0.4  # of a letter's side, that must have the neighbour opposite
_FAR = 2.0  # times the usual longer side; what is farther away is no neighbour
# Of upright letters in a list, such as single digits, each has the next one below, too. Turned ones
# are wider than high, several that touch are much higher than wide, or the next one is near.
_WIDE, _HIGH = 1.2, 2.0  # the sides' ratio
_NEAR = 0.3  # times the usual longer side
_BLOCK_PX = 64  # higher than two lines of the largest text that the network is made for
_GROUND_PX = 33


def runs_down(grey: FloatImage) -> bool:
    """Tell whether the text in an HxW image in [0, 1] runs down (or up) rather than across.

    Letters have their neighbours nearer along the line than across lines (the docstrum, O'Gorman
    1993). Where letters touch, blocks with several lines tell: the means of their rows vary more
    than those of their columns (projection profiles). In doubt it runs across, as most text does.
    """
    ink = find_ink(grey)
    if ink is None:
        return False
    across, down = _neighbours(ink)
    letters = across + down
    if down >= _CERTAIN * letters:
        least = _FEW_LETTERS if len(grey) >= _NARROW * grey.shape[1] else _LETTERS
        if letters >= least:
            return True
    is_likely = letters >= _SOME_LETTERS and down > across and min(grey.shape) >= _BLOCK_PX
    return is_likely and _lines_run_down(grey)


def turned(image: LoadedImage, quarters: int) -> LoadedImage:
    """Return an image turned counterclockwise by so many quarters."""
    alpha = None if image.alpha is None else _turned(image.alpha, quarters)
    dpi = image.dpi if image.dpi is None or quarters % 2 == 0 else image.dpi[::-1]
    return replace(image, pixels=_turned(image.pixels, quarters), alpha=alpha, dpi=dpi)


def _turned(values: npt.NDArray[Any], quarters: int) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.rot90(values, quarters))


def _neighbours(ink: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Count the letters whose nearest neighbour lies beside them, and turned ones with it below."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = np.asarray(stats, np.int32)
    widths, heights = boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT]
    size = np.maximum(widths, heights)
    size[0] = 0  # the ground
    parts = np.sort(size[size >= _LEAST_PX])
    if parts.size == 0:
        return 0, 0
    usual = parts[np.searchsorted(np.cumsum(parts), 0.5 * parts.sum())]  # by length, not by number
    letters = size >= max(_LEAST_SIZE * usual, 1)
    labels = np.where(letters, np.arange(count), 0)[labels]
    beside = _distances(labels, heights, _FAR * usual)
    below = _distances(np.ascontiguousarray(labels.T), widths, _FAR * usual)
    is_turned = (widths > _WIDE * heights) | (heights > _HIGH * widths) | (below <= _NEAR * usual)
    return int((beside < below).sum()), int(((below < beside) & is_turned).sum())


def _distances(
    labels: npt.NDArray[np.integer[Any]], sides: npt.NDArray[np.integer[Any]], farthest: float
) -> npt.NDArray[np.float64]:
    """Return how far the next part to the right of each is, in pixels; infinite if there is none.

    Args:
        labels: HxW, numbers of parts, 0 where there is none.
        sides: of each part, how high it is.
        farthest: distance above which there is none.
    """
    places = np.flatnonzero(labels)
    parts = labels.flat[places]
    rows = places // labels.shape[1]
    faces = (rows[1:] == rows[:-1]) & (parts[1:] != parts[:-1])
    owners, gaps = parts[:-1][faces], (np.diff(places) - 1)[faces]
    facing = np.bincount(owners, minlength=len(sides))
    total = np.bincount(owners, weights=gaps, minlength=len(sides))
    found = (facing > 0) & (facing >= _FACING * sides) & (total <= farthest * facing)
    return np.where(found, total / np.maximum(facing, 1), np.inf)


def _lines_run_down(grey: FloatImage) -> bool:
    """Tell whether blocks of an image have lines that run down, by their projection profiles."""
    contrast = grey - cv2.blur(grey, (_GROUND_PX, _GROUND_PX))
    height, width = grey.shape
    rows = columns = 0.0
    for top in range(0, height - _BLOCK_PX // 2, _BLOCK_PX // 2):
        for left in range(0, width - _BLOCK_PX // 2, _BLOCK_PX // 2):
            block = contrast[top : top + _BLOCK_PX, left : left + _BLOCK_PX]
            rows += float(block.mean(1).var()) * block.shape[1]
            columns += float(block.mean(0).var()) * block.shape[0]
    return bool(columns > np.exp(_LINES) * rows)
