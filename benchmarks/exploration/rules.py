"""Ways to put a network's output together with bicubic's, some by how wrong it expects to be."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.exploration.uncertainty import Plane

# LR pixels, standard deviations of Gaussians, for lines 16 high.
_LETTER, _LETTERS, _HEIGHT = 2.0, 12.0, 8.0
_STROKE, _STROKES = 1.5, 3.0
_LEAST_CONTRAST = 0.02


class Made(NamedTuple):
    """What is known of a line when its output is put together."""

    lr: Plane
    """(h, w) in [0, 1]."""
    low: Plane
    """Bicubic's, (H, W)."""
    high: Plane
    """The network's, (H, W)."""
    variance: Plane
    """(h, w)"""


Rule = Callable[[Made], Plane]
"""Returns the network's weight against bicubic's at each LR pixel: (h, w) in [0, 1]."""


def fixed(weight: float) -> Rule:
    """The same weight everywhere."""
    return lambda made: np.full_like(made.variance, weight)


def by_letter(weight: float, slope: float) -> Rule:
    """Trust letters less that are less certain than those around them, and others more.

    Where all letters are uncertain, what the network makes of noise and blur is still better than
    nothing; where a single one is, a reader that sees it blurred may know it by the others.
    """

    def rule(made: Made) -> Plane:
        # Each over the whole height, that ink is not compared with paper.
        letter, others = (_blur(made.variance, wide, _HEIGHT) for wide in (_LETTER, _LETTERS))
        return np.clip(weight + slope * (1 - np.sqrt(letter / others)), 0, 1)

    return rule


def by_contrast(limit: float) -> Rule:
    """Trust fully what is certain, and not at all where errors reach `limit` of the contrast."""

    def rule(made: Made) -> Plane:
        size = made.lr.shape[::-1]
        high = cv2.resize(made.high, size, interpolation=cv2.INTER_AREA)
        squares = cv2.resize(made.high**2, size, interpolation=cv2.INTER_AREA)
        mean = _blur(high, _STROKES, _STROKES)
        spread = _blur(squares, _STROKES, _STROKES) - mean**2
        contrast = np.sqrt(np.maximum(spread, _LEAST_CONTRAST**2))
        error = np.sqrt(_blur(made.variance, _STROKE, _STROKE))
        return np.clip(1 - error / contrast / limit, 0, 1)

    return rule


def put_together(made: Made, weights: Plane) -> Plane:
    """Blend both outputs by weights an LR pixel."""
    size = made.high.shape[::-1]
    fine = cv2.resize(weights, size, interpolation=cv2.INTER_LINEAR)
    return made.low + fine * (made.high - made.low)


def _blur(plane: Plane, wide: float, high: float) -> Plane:
    blurred = cv2.GaussianBlur(plane, (0, 0), wide, sigmaY=high, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)
