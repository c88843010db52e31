"""Ways to put a network's output together with bicubic's, some by how wrong it expects to be."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.exploration.uncertainty import Plane

# Standard deviations of Gaussians, in heights of the line.
_LETTER, _LETTERS, _HEIGHT = 2 / 16, 12 / 16, 8 / 16
_STROKE, _STROKES = 1.5 / 16, 3 / 16
_LEAST_CONTRAST = 0.02


class Outputs(NamedTuple):
    """What is known of a line when its output is put together."""

    lr: Plane
    """(h, w) in [0, 1]."""
    low: Plane
    """Bicubic's, (H, W)."""
    high: Plane
    """The network's, (H, W)."""
    variance: Plane
    """(h, w)"""


Rule = Callable[[Outputs], Plane]
"""Returns the network's weight against bicubic's at each LR pixel: (h, w) in [0, 1]."""


def fixed(weight: float) -> Rule:
    """The same weight everywhere."""
    return lambda outputs: np.full_like(outputs.variance, weight)


def by_letter(weight: float, slope: float) -> Rule:
    """Trust letters less that are less certain than those around them, and others more.

    Where all letters are uncertain, what the network makes of noise and blur is still better than
    nothing; where a single one is, a reader that sees it blurred may know it by the others.
    """

    def rule(outputs: Outputs) -> Plane:
        # Each over the whole height, that ink is not compared with paper.
        letter, others = (_blur(outputs.variance, wide, _HEIGHT) for wide in (_LETTER, _LETTERS))
        return np.clip(weight + slope * (1 - np.sqrt(letter / others)), 0, 1)

    return rule


def by_contrast(limit: float) -> Rule:
    """Trust fully what is certain, and not at all where errors reach `limit` of the contrast."""

    def rule(outputs: Outputs) -> Plane:
        size = outputs.lr.shape[::-1]
        high = cv2.resize(outputs.high, size, interpolation=cv2.INTER_AREA)
        squares = cv2.resize(outputs.high**2, size, interpolation=cv2.INTER_AREA)
        mean = _blur(high, _STROKES, _STROKES)
        spread = _blur(squares, _STROKES, _STROKES) - mean**2
        contrast = np.sqrt(np.maximum(spread, _LEAST_CONTRAST**2))
        error = np.sqrt(_blur(outputs.variance, _STROKE, _STROKE))
        return np.clip(1 - error / contrast / limit, 0, 1)

    return rule


def put_together(outputs: Outputs, weights: Plane) -> Plane:
    """Blend both outputs by weights an LR pixel."""
    size = outputs.high.shape[::-1]
    fine = cv2.resize(weights, size, interpolation=cv2.INTER_LINEAR)
    return outputs.low + fine * (outputs.high - outputs.low)


RULES: Mapping[str, tuple[str, Rule]] = {
    "0.2": ("the same weight everywhere", fixed(0.2)),
    "0.4": ("the same weight everywhere, as the package has it", fixed(0.4)),
    "1": ("the output alone", fixed(1.0)),
    "by letter": (
        "0.4, less or more by a letter's expected error against its neighbours'",
        by_letter(0.4, 0.8),
    ),
    "by contrast": ("less by expected error against the contrast", by_contrast(0.8)),
}
"""What is tried, by name."""

BASE = "0.4"
"""What the others are compared with."""

SHOWN = (BASE, "1", "by letter")
"""Of which pictures are drawn."""


def _blur(plane: Plane, wide: float, high: float) -> Plane:
    sigmas = {"sigmaX": wide * len(plane), "sigmaY": high * len(plane)}
    blurred = cv2.GaussianBlur(plane, (0, 0), **sigmas, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)
