"""A picture that shows what the network adds to plain interpolation."""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from textsr.images.image import FloatImage, LoadedImage, flatten, luminance, to_8_bit
from textsr.inference.text_height import find_ink

MAX_SIZE = (1280, 440)
"""Width and height in pixels above which a panel shows only a part of the image: three of them, one
above the other, are seen at once and pixel by pixel."""

_LETTER_PX = (4, 64)
"""Heights of connected ink that may be letters; what is flat is a rule, what is large a picture."""

_SEEN = 4
"""Screen pixels for a pixel of the original: a result of fewer is enlarged, in squares."""

_MARGIN_PX = 6  # of the original, around letters' centres, so that what is shown is whole

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
    *,
    max_size: tuple[int, int] = MAX_SIZE,
) -> ColourImage:
    """The original enlarged by nearest neighbour and bicubically, and the network's result.

    The three labelled panels stand side by side if they are taller than wide, else one above the
    other. Of an image larger than `max_size` they show the part with the most text, or, where there
    is none, with the most edges. Transparent images are laid over white.

    Args:
        original: HxW or HxWx3.
        upscaled: the same, of more pixels.
        max_size: width and height of a panel in pixels.

    Returns:
        HxWx3 uint8, blue, green, red.
    """
    down, across = upscaled.height / original.height, upscaled.width / original.width
    zoom = max(round(_SEEN / across), 1)
    most_across, most_down = (
        max(int(side / (zoom * times)), 1)
        for side, times in zip(max_size, (across, down), strict=True)
    )
    rows, columns = _part(original, most_across, most_down)
    small = _as_colour(_crop(original, rows, columns))
    large = _as_colour(_crop(upscaled, _times(rows, down), _times(columns, across)))
    size = (large.shape[1], large.shape[0])
    nearest = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    bicubic = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    part = "" if size == (upscaled.width, upscaled.height) else "part of "
    scale = f"x{round(across, 2):g}"
    panels = {
        f"Nearest neighbour {scale}, {part}{original.width} x {original.height} px": nearest,
        f"Bicubic {scale}": bicubic,
        f"Network {scale}": large,
    }
    side_by_side = large.shape[0] > large.shape[1]
    seen = {text: panel.repeat(zoom, 0).repeat(zoom, 1) for text, panel in panels.items()}
    return _arrange([_labelled(panel, text) for text, panel in seen.items()], side_by_side)


def _crop(image: LoadedImage, rows: slice, columns: slice) -> LoadedImage:
    alpha = None if image.alpha is None else image.alpha[rows, columns]
    return LoadedImage(image.pixels[rows, columns], alpha)


def _as_colour(image: LoadedImage) -> ColourImage:
    pixels = to_8_bit(flatten(image)).pixels
    colour = pixels if image.is_colour else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return np.asarray(colour, np.uint8)


def _times(part: slice, factor: float) -> slice:
    return slice(round(part.start * factor), round(part.stop * factor))


def _part(image: LoadedImage, max_width: int, max_height: int) -> tuple[slice, slice]:
    """Rows and columns that hold the most text, or edges if there is no text."""
    height, width = min(image.height, max_height), min(image.width, max_width)
    if (height, width) == (image.height, image.width):
        return slice(0, height), slice(0, width)
    grey = luminance(flatten(image))
    text = _letters(grey)
    if text is None:
        return _window(_edges(grey), height, width)
    inner = _window(text, *(max(side - 2 * _MARGIN_PX, 1) for side in (height, width)))
    starts = [
        min(max(part.start - _MARGIN_PX, 0), whole - side)
        for part, side, whole in zip(inner, (height, width), grey.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + height), slice(starts[1], starts[1] + width)


def _window(weights: FloatImage, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of this size that weigh the most, what weighs anything in their middle."""
    total = cv2.integral(weights)
    sums = (
        total[height:, width:]
        - total[:-height, width:]
        - total[height:, :-width]
        + total[:-height, :-width]
    )
    are_best = sums >= sums.max()
    top, left = (int(index) for index in np.unravel_index(int(sums.argmax()), sums.shape))
    left = _middle_of_run(are_best[top], left)
    top = _middle_of_run(are_best[:, left], top)
    return slice(top, top + height), slice(left, left + width)


def _middle_of_run(values: npt.NDArray[np.bool_], start: int) -> int:
    """The middle of the values that are true from `start` on, without a gap."""
    run = np.flatnonzero(~values[start:])
    return start + (int(run[0]) if run.size else len(values) - start) // 2


def _letters(grey: FloatImage) -> FloatImage | None:
    """The letters' widths, each at its letter's centre; None if there are none."""
    ink = find_ink(grey)
    if ink is None:
        return None
    _, _, stats, centres = cv2.connectedComponentsWithStats(ink, connectivity=8)
    heights, widths = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_WIDTH]
    low, high = _LETTER_PX
    are_letters = (heights >= low) & (heights <= high) & (widths <= 4 * heights)
    if not are_letters.any():
        return None
    columns, rows = centres[1:][are_letters].astype(int).T
    letters = np.zeros_like(grey)
    letters[rows, columns] = widths[are_letters]
    return letters


def _edges(grey: FloatImage) -> FloatImage:
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return np.asarray(cv2.magnitude(across, down), np.float32)


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
