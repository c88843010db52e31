"""Whether an image's text is what the network is made for."""

from enum import Enum, auto

from textsr.images.image import LoadedImage, flatten, luminance
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


def examine(image: LoadedImage, *, keep_sharp: bool) -> tuple[Suitability, float]:
    """Return how an image's text suits the network, and its height in pixels (0: no text).

    Args:
        image: as it was read.
        keep_sharp: whether large text that is sharp already is told apart; see
            `textsr.inference.sharpness`.
    """
    grey = luminance(flatten(image))
    height = text_height(grey)
    if height is None or RANGE_PX[0] <= height <= RANGE_PX[1]:
        return Suitability.MADE_FOR, height or 0
    if keep_sharp and is_sharp_already(grey):
        return Suitability.SHARP_ALREADY, height
    return Suitability.OTHER_HEIGHT, height
