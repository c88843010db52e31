"""Whether an image's text is what the network is made for."""

from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from textsr.images.image import FloatImage, LoadedImage, flatten, luminance
from textsr.inference.orientation import runs_down
from textsr.inference.sharpness import is_sharp_already
from textsr.inference.text_height import RANGE_PX, text_height


class Suitability(Enum):
    """How the text of an image suits the network."""

    MADE_FOR = auto()
    """Of a height that the network improves, or no text at all."""
    OTHER_HEIGHT = auto()
    """Lower or higher: it may come out no better than by bicubic interpolation."""
    SHARP_ALREADY = auto()
    """Large and sharp: bicubic interpolation upscales it no worse."""


class Text(NamedTuple):
    """What an image's text is like.

    Attributes:
        suitability: how it suits the network.
        height_px: its height in pixels; 0: there is none.
        runs_down: whether the image is to be turned by a quarter for it to run across.
    """

    suitability: Suitability
    height_px: float
    runs_down: bool


def examine(image: LoadedImage, *, keep_sharp: bool) -> Text:
    """Return what the text of an image is like.

    Args:
        image: as it was read.
        keep_sharp: whether large text that is sharp already is told apart; see
            `textsr.inference.sharpness`.
    """
    grey = _shown(luminance(flatten(image)))
    is_down = runs_down(grey)
    if is_down:
        grey = np.ascontiguousarray(np.rot90(grey))
    height = text_height(grey)
    if height is None or RANGE_PX[0] <= height <= RANGE_PX[1]:
        return Text(Suitability.MADE_FOR, height or 0, is_down)
    if keep_sharp and is_sharp_already(grey):
        return Text(Suitability.SHARP_ALREADY, height, is_down)
    return Text(Suitability.OTHER_HEIGHT, height, is_down)


def _shown(grey: FloatImage) -> FloatImage:
    """Leave out the last rows if they are of one value: a JPEG that is cut short ends in grey."""
    differ = np.flatnonzero((grey != grey[-1, -1]).any(1))
    return grey if differ.size == 0 else grey[: differ[-1] + 1]
