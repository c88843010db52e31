"""A picture that shows what the network adds to plain interpolation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from textsr.images import grey
from textsr.images.image import FloatImage, LoadedImage, flatten, luminance, to_8_bit
from textsr.inference.text_height import find_ink
from textsr.inference.text_lines import find_lines

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
READING_PX = 22
"""Height of a row of what is read."""
_READING_FONT_PX = 15
_GAP_PX = 8
_GROUND = 235
_INK = 20

ColourImage = npt.NDArray[np.uint8]
"""HxWx3, blue, green, red."""

ReadLines = Callable[[Sequence[grey.Image]], Mapping[str, Sequence[str]]]
"""Maps grey images of one line each to what each OCR engine reads in them, by engine."""


@dataclass(frozen=True)
class Legend:
    """What is written into a comparison beside the panels' names.

    Attributes:
        blended: of the network's result, e.g. `blended for people at 0.6`.
        read: reads what is then written above each line of text of bicubic's panel and of the
            network's; None: nobody reads.
    """

    blended: str = ""
    read: ReadLines | None = None


_NOTHING_ELSE = Legend()


def compare_picture(
    original: LoadedImage,
    upscaled: LoadedImage,
    *,
    legend: Legend = _NOTHING_ELSE,
    max_size: tuple[int, int] = MAX_SIZE,
) -> ColourImage:
    """The original enlarged by nearest neighbour and bicubically, and the network's result.

    The three labelled panels stand side by side if they are taller than wide, else one above the
    other. Where somebody reads, the latter two stand beside each other, below the first.

    Of an image larger than `max_size` they show the part with the most text, or, where there is
    none, with the most edges. Transparent images are laid over white.

    Args:
        original: HxW or HxWx3.
        upscaled: the same, of more pixels.
        legend: what else is written.
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
    blended = legend.blended and f", {legend.blended}"
    labels = (
        f"Nearest neighbour {scale}, {part}{original.width} x {original.height} px",
        f"Bicubic {scale}",
        f"Network {scale}{blended}",
    )
    panels = (nearest, bicubic, large)
    seen = [panel.repeat(zoom, 0).repeat(zoom, 1) for panel in panels]
    if legend.read is not None:
        lines = find_lines(luminance(flatten(_crop(original, rows, columns))))
        seen[1:] = [
            _with_readings(panel, enlarged, [_times(line, down) for line in lines], legend.read)
            for panel, enlarged in zip(panels[1:], seen[1:], strict=True)
        ]
    labelled = [_labelled(panel, text) for panel, text in zip(seen, labels, strict=True)]
    if legend.read is not None:
        below = _arrange(labelled[1:], True)
        first = _widened(_arrange(labelled[:1], False), below.shape[1])
        return np.concatenate([first, below])
    return _arrange(labelled, large.shape[0] > large.shape[1])


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


def _with_readings(
    panel: ColourImage, enlarged: ColourImage, lines: Sequence[slice], read: ReadLines
) -> ColourImage:
    """An enlarged panel, and above each line of its text what is read there.

    Args:
        panel: as it is read.
        enlarged: the panel in squares, as it is shown.
        lines: rows of the panel, from top to bottom; they may overlap.
        read: who reads.
    """
    if not lines:
        return enlarged
    shown = cv2.cvtColor(panel, cv2.COLOR_BGR2GRAY)
    readings = read([np.asarray(shown[line], np.uint8) for line in lines])
    zoom = len(enlarged) // len(panel)
    # Where two lines overlap, their margins do, and the middle is paper.
    ends = [0, *(line.stop for line in lines)]
    cuts = [
        line.start if line.start >= end else (line.start + end) // 2
        for line, end in zip(lines, ends, strict=False)
    ]
    pieces = [enlarged[: cuts[0] * zoom]]
    for number, (cut, end) in enumerate(zip(cuts, [*cuts[1:], len(panel)], strict=True)):
        texts = [f"{engine}: {found[number]}" for engine, found in readings.items()]
        pieces += [_written(texts, enlarged.shape[1]), enlarged[cut * zoom : end * zoom]]
    width = max(piece.shape[1] for piece in pieces)
    return np.concatenate([_widened(piece, width) for piece in pieces])


def _written(texts: Sequence[str], width: int) -> ColourImage:
    """Texts below each other, on a ground at least so wide."""
    font = ImageFont.load_default(_READING_FONT_PX)
    widest = max(int(np.ceil(font.getlength(text))) for text in texts) + _GAP_PX
    band = Image.new("L", (max(width, widest), READING_PX * len(texts)), _GROUND)
    for number, text in enumerate(texts):
        place = (_GAP_PX // 2, READING_PX * number + READING_PX // 2)
        ImageDraw.Draw(band).text(place, text, _INK, font, anchor="lm")
    return np.asarray(cv2.cvtColor(np.asarray(band), cv2.COLOR_GRAY2BGR), np.uint8)


def _widened(piece: ColourImage, width: int) -> ColourImage:
    missing = ((0, 0), (0, width - piece.shape[1]), (0, 0))
    return np.pad(piece, missing, constant_values=_GROUND)


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
