"""A picture that shows what the network adds to plain interpolation."""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from textsr.images.image import LoadedImage, flatten, to_8_bit

MAX_SIZE = (1600, 1000)
"""Width and height in pixels above which a panel shows only a part of the image."""

_FONT_PX = 18
_LABEL_PX = 28
_GAP_PX = 8
_GROUND = 235
_INK = 20

ColourImage = npt.NDArray[np.uint8]
"""HxWx3, blue, green, red."""


def compare_picture(
    original: LoadedImage,
    upscaled: LoadedImage,
    scale: int,
    *,
    max_size: tuple[int, int] = MAX_SIZE,
) -> ColourImage:
    """The original enlarged by nearest neighbour and bicubically, and the network's result.

    The three labelled panels stand side by side if they are taller than wide, else one above the
    other. Of an image larger than `max_size` they show the part with the most edges. Transparent
    images are laid over white.

    Args:
        original: HxW or HxWx3.
        upscaled: `scale` times as high and as wide.
        scale: HR pixels per LR pixel.
        max_size: width and height of a panel in pixels.

    Returns:
        HxWx3 uint8, blue, green, red.
    """
    rows, columns = _busiest_part(original, max_size[0] // scale, max_size[1] // scale)
    small = _as_colour(_crop(original, rows, columns))
    large = _as_colour(
        _crop(
            upscaled,
            slice(rows.start * scale, rows.stop * scale),
            slice(columns.start * scale, columns.stop * scale),
        )
    )
    size = (large.shape[1], large.shape[0])
    nearest = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    bicubic = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    part = "" if large.shape[:2] == (upscaled.height, upscaled.width) else "part of "
    panels = {
        f"Nearest neighbour x{scale}, {part}{original.width} x {original.height} px": nearest,
        f"Bicubic x{scale}": bicubic,
        f"Network x{scale}": large,
    }
    side_by_side = large.shape[0] > large.shape[1]
    return _arrange([_labelled(panel, text) for text, panel in panels.items()], side_by_side)


def _crop(image: LoadedImage, rows: slice, columns: slice) -> LoadedImage:
    alpha = None if image.alpha is None else image.alpha[rows, columns]
    return LoadedImage(image.pixels[rows, columns], alpha)


def _as_colour(image: LoadedImage) -> ColourImage:
    pixels = to_8_bit(flatten(image)).pixels
    colour = pixels if image.is_colour else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return np.asarray(colour, np.uint8)


def _busiest_part(image: LoadedImage, max_width: int, max_height: int) -> tuple[slice, slice]:
    """Rows and columns where the gradient's magnitudes sum to the most."""
    height, width = min(image.height, max_height), min(image.width, max_width)
    if (height, width) == (image.height, image.width):
        return slice(0, height), slice(0, width)
    grey = cv2.cvtColor(_as_colour(image), cv2.COLOR_BGR2GRAY)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    total = cv2.integral(cv2.magnitude(across, down))
    sums = (
        total[height:, width:]
        - total[:-height, width:]
        - total[height:, :-width]
        + total[:-height, :-width]
    )
    top, left = (int(index) for index in np.unravel_index(int(sums.argmax()), sums.shape))
    return slice(top, top + height), slice(left, left + width)


def _labelled(panel: ColourImage, text: str) -> ColourImage:
    """The panel below a strip with its label, at least as wide as the label."""
    font = ImageFont.load_default(_FONT_PX)
    height, width = panel.shape[:2]
    text_width = int(np.ceil(font.getlength(text))) + _GAP_PX
    strip = Image.new("L", (max(width, text_width), _LABEL_PX + height), _GROUND)
    ImageDraw.Draw(strip).text((_GAP_PX // 2, _LABEL_PX // 2), text, _INK, font, anchor="lm")
    canvas = np.asarray(cv2.cvtColor(np.asarray(strip), cv2.COLOR_GRAY2BGR), np.uint8)
    canvas[_LABEL_PX:, :width] = panel
    return canvas


def _arrange(panels: list[ColourImage], side_by_side: bool) -> ColourImage:
    """The panels, of one size in height, width or both, in a row or a column with a margin."""
    height = max(panel.shape[0] for panel in panels)
    width = max(panel.shape[1] for panel in panels)
    cells = [
        np.pad(
            panel,
            (
                (_GAP_PX, height - panel.shape[0] + _GAP_PX),
                (_GAP_PX, width - panel.shape[1] + _GAP_PX),
                (0, 0),
            ),
            constant_values=_GROUND,
        )
        for panel in panels
    ]
    return np.concatenate(cells, axis=1 if side_by_side else 0)
