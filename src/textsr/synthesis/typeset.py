"""Placing letters on a line: advances and kerning by HarfBuzz, glyphs by FreeType."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import uharfbuzz as hb
from PIL import Image as PILImage
from PIL import ImageDraw

from textsr.images.grey import Image
from textsr.synthesis.fields import Plane
from textsr.synthesis.fonts import load_face, unreadable

# Ligatures off, so that each character has a place of its own to be spaced and drawn at.
_FEATURES = {"kern": True, "liga": False, "clig": False, "dlig": False, "calt": False}

# Glyphs are drawn once a process at this size and scaled with their line: ten times as fast as
# hinting each at each size, and print has no pixels to be hinted to.
_EM = 80


@dataclass(frozen=True)
class Layout:
    """A line of text in units of the em; y grows upwards from the baseline.

    `places` are the x of each character; the ink reaches from `left` to `right`, from `bottom` to
    `top`.
    """

    text: str
    places: tuple[float, ...]
    left: float
    right: float
    bottom: float
    top: float


def lay_out(text: str, path: Path, tracking: float = 0.0) -> Layout:
    """Lay out `text` in the font at `path`, kerned, each letter `tracking` em further on."""
    font, units_per_em = _shaper(path)
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.direction, buffer.script, buffer.language = "ltr", "Latn", "en"
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_CHARACTERS
    hb.shape(font, buffer, _FEATURES)
    places = [0.0] * len(text)
    boxes: list[tuple[float, float, float, float]] = []
    x = 0.0
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        origin = x + position.x_offset / units_per_em
        places[info.cluster] = origin
        extents = font.get_glyph_extents(info.codepoint)
        if extents is not None and extents.width:
            left, top = origin + extents.x_bearing / units_per_em, extents.y_bearing / units_per_em
            width, down = extents.width / units_per_em, extents.height / units_per_em
            boxes.append((left, left + width, top + down, top))
        x += position.x_advance / units_per_em + tracking
    lefts, rights, bottoms, tops = zip(*boxes or [(0.0,) * 4], strict=True)
    return Layout(text, tuple(places), min(lefts), max(rights), min(bottoms), max(tops))


def draw_layout(layout: Layout, path: Path, size_px: float, *, smooth: bool = False) -> Plane:
    """Draw a line's ink, coverage of 0 to 1, cut to its bounds, rounded up to whole pixels.

    Text of more than 80 pixels an em is enlarged, which leaves steps in its edges, unless they are
    to be `smooth`.
    """
    em = _EM
    while smooth and em < size_px:
        em *= 2
    scale = size_px / em
    width = max(1, int(np.ceil((layout.right - layout.left) * em)))
    height = max(1, int(np.ceil((layout.top - layout.bottom) * em)))
    # A pixel around, since glyphs are placed and hinted to whole pixels.
    mask = np.zeros((height + 2, width + 2), np.uint8)
    baseline = 1 + round(layout.top * em)
    for character, place in zip(layout.text, layout.places, strict=True):
        if character != " ":
            glyph, left, top = _glyph(path, character, em)
            _paste(mask, glyph, 1 + round((place - layout.left) * em) + left, baseline + top)
    size = (max(1, int(np.ceil(width * scale))), max(1, int(np.ceil(height * scale))))
    whole = cv2.resize(mask[1:-1, 1:-1], size, interpolation=cv2.INTER_AREA)
    return np.asarray(whole, np.float32) / np.float32(255)


def _paste(mask: Image, glyph: Image, left: int, top: int) -> None:
    """Lay a glyph over what is there, as far as it lies inside."""
    height, width = mask.shape
    rows = slice(max(top, 0), min(top + glyph.shape[0], height))
    columns = slice(max(left, 0), min(left + glyph.shape[1], width))
    if rows.start < rows.stop and columns.start < columns.stop:
        part = glyph[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        np.maximum(mask[rows, columns], part, out=mask[rows, columns])


@lru_cache(maxsize=16384)
def _glyph(path: Path, character: str, em: int) -> tuple[Image, int, int]:
    """Draw one glyph; return it with the offset of its corner from origin and baseline, pixels."""
    face = load_face(path, em)
    try:
        left, top, right, bottom = face.getbbox(character, anchor="ls")
        picture = PILImage.new("L", (int(right - left) + 1, int(bottom - top) + 1))
        ImageDraw.Draw(picture).text((-left, -top), character, fill=255, font=face, anchor="ls")
    except OSError as error:  # FreeType's, of a glyph that is damaged
        raise unreadable(path, error) from error
    return np.asarray(picture), int(left), int(top)


@lru_cache(maxsize=1024)
def _shaper(path: Path) -> tuple[hb.Font, int]:
    face = hb.Face(hb.Blob.from_file_path(str(path)))
    return hb.Font(face), face.upem
