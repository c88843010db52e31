"""Blocks of text, large, and small as a bad scan has them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SCALE = 4
"""HR pixels per LR pixel."""

LINES = (
    "Invoice 2024-1187 total 48.90 EUR",
    "Please quote this number when paying",
    "Delivery to 14 Baker Street, London",
    "Net weight 2.75 kg, tax rate 19 %",
)
Colour = tuple[int, int, int]
"""Red, green and blue."""

INK, PAPER = (20, 30, 110), (248, 244, 228)

_FONT = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
_PITCH, _MARGIN = 20, 8  # LR pixels


def font(size_px: float) -> ImageFont.FreeTypeFont:
    """Return the font of all cases, DejaVu Sans, at so many pixels an em."""
    return ImageFont.truetype(str(_FONT), size_px)


def block(
    lines: Sequence[str] = LINES,
    *,
    ink: Colour = INK,
    ground: Colour = PAPER,
    size_px: float = 11,
    width: int = 320,
) -> tuple[Image.Image, Image.Image]:
    """Draw lines of text; return them in RGB, HR and LR, which is the mean over areas.

    Args:
        lines: of the text.
        ink: colour of the letters.
        ground: colour around them.
        size_px: LR pixels an em.
        width: LR pixels.
    """
    height = len(lines) * _PITCH + 2 * _MARGIN
    hr = Image.new("RGB", (width * SCALE, height * SCALE), ground)
    pen = ImageDraw.Draw(hr)
    face = font(size_px * SCALE)
    for number, line in enumerate(lines):
        place = (_MARGIN * SCALE, (_MARGIN + number * _PITCH) * SCALE)
        pen.text(place, line, font=face, fill=ink)
    return hr, hr.resize((width, height), Image.Resampling.BOX)


def small(lines: Sequence[str] = LINES) -> Image.Image:
    """Return a block of text as most cases have it: LR, RGB, 320 x 96 pixels with four lines."""
    return block(lines)[1]


def grey(lines: Sequence[str] = LINES) -> Image.Image:
    """Return the same in grey."""
    return small(lines).convert("L")


def strip(width: int) -> Image.Image:
    """Return one line of text, again and again, in grey: 24 pixels high, so many wide."""
    line = grey().crop((0, _MARGIN, 320, _MARGIN + 24))
    made = Image.new("L", (width, line.height))
    for left in range(0, width, line.width):
        made.paste(line, (left, 0))
    return made


def fax(width: int = 1728, height: int = 400) -> Image.Image:
    """Return a part of a fax of two tones, of half as many pixels down as across (204 x 98 dpi)."""
    page = Image.new("L", (width, 2 * height), 255)
    pen = ImageDraw.Draw(page)
    for number, top in enumerate(range(30, 2 * height - 60, 80)):
        pen.text((60, top), f"{LINES[number % len(LINES)]}   " * 2, font=font(30), fill=0)
    coarse = page.resize((width, height), Image.Resampling.BOX)
    return coarse.point(lambda level: 255 if level > 140 else 0).convert("1")


def values16(image: Image.Image) -> np.ndarray:
    """Return an image's values spread over 16 bits, each a little off its 8-bit level."""
    values = np.asarray(image).astype(np.uint16) * 257
    return np.asarray(np.where(values < 65_000, values + 100, values), np.uint16)
