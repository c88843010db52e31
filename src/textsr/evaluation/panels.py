"""Side-by-side pictures of lines: what went in, what each method made of it, the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from textsr.files import replace_file
from textsr.images.grey import Image
from textsr.ocr.scoring import normalise

_COLUMN_INCHES = 4.2
_WIDEST_INCHES = 24.0
_READING_POINTS, _TEXT_POINTS, _GAP_POINTS = 9.0, 12.0, 6.0
_POINTS_PER_INCH = 72.0
_ASPECT = 8  # of cells
# A mark beside the colour, for who does not tell these apart.
_RIGHT, _WRONG = ("✓", "#1a7f37"), ("✗", "#cf222e")

READ_RIGHT = "✓ where right (letters and digits), else ✗"
"""What pictures say of their marks."""


@dataclass(frozen=True)
class Cell:
    """One method's image of a line, and what each OCR engine that read it made of it, by name."""

    image: Image
    readings: Mapping[str, str] = field(default_factory=dict)


def spread_evenly(count: int, wanted: int) -> list[int]:
    """Return `wanted` row numbers out of `count`, at equal distances, so that none is picked."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(wanted, count))})


def save_panel(
    path: Path, methods: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]], title: str
) -> None:
    """Draw a row a line, under its text, and a column a method, and save it as PNG.

    Args:
        path: where to save it.
        methods: heading of each column.
        rows: for each line its text and a cell a method.
        title: what the picture shows and how its lines were chosen.
    """
    column = min(_COLUMN_INCHES, _WIDEST_INCHES / len(methods))
    most = max((len(cell.readings) for _, cells in rows for cell in cells), default=0)
    above = most * _READING_POINTS + _TEXT_POINTS + _GAP_POINTS
    row = column / _ASPECT + above / _POINTS_PER_INCH
    size = (column * len(methods), row * len(rows) + 1.0)
    figure = Figure(figsize=size, layout="constrained")
    # No mathematics: a dollar sign is a dollar sign.
    figure.suptitle(title, fontsize=11, parse_math=False)
    axes = figure.subplots(len(rows), len(methods), squeeze=False)
    for line, (text, cells) in zip(axes, rows, strict=True):
        for axis, method, cell in zip(line, methods, cells, strict=True):
            draw_cell(axis, cell, text)
            if axis in axes[0]:
                axis.set_title(method, fontsize=10, fontweight="bold", pad=above, parse_math=False)
        height = max(len(cell.readings) for cell in cells) * _READING_POINTS
        _write_above(line[0], printable(text), height, fontsize=8, fontweight="bold")
    save_figure(path, figure)


def draw_cell(axis: Axes, cell: Cell, text: str) -> None:
    """Draw an image and over it its readings, each marked whether it reads `text`.

    Where there are several, each says whose it is.
    """
    axis.imshow(_fit(cell.image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_axis_off()
    for number, (engine, reading) in enumerate(reversed([*cell.readings.items()])):
        mark, colour = _RIGHT if normalise(reading) == normalise(text) else _WRONG
        whose = f"{engine}: " if len(cell.readings) > 1 else ""
        said = f"{mark} {whose}{printable(reading) or '(nothing read)'}"
        _write_above(axis, said, number * _READING_POINTS, fontsize=7, color=colour)


def _write_above(axis: Axes, text: str, points: float, **style: Any) -> None:
    """Write a line of text so many points above the axes."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    # No mathematics: a dollar sign is a dollar sign.
    axis.annotate(text, (0, 1), (0, 2 + points), va="bottom", parse_math=False, **place, **style)


def save_figure(path: Path, figure: Figure) -> None:
    """Save a figure as PNG, whole or not at all; equal figures give equal bytes."""
    with replace_file(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "textsr"}):
        # No date in the file: the same lines give the same bytes.
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def printable(text: str) -> str:
    """Return `text` with a box for each character that pictures have no glyph for."""
    return "".join(c if c.isprintable() and ord(c) in _glyphs() else "□" for c in text)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def _fit(image: Image) -> Image:
    """Enlarge small images by whole pixels and pad to one aspect, so that rows line up."""
    factor = max(1, round(64 / image.shape[0]))
    image = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=0), np.uint8)
    height, width = image.shape
    missing = max(_ASPECT * height - width, 0)
    return np.pad(image, ((0, 0), (0, missing)), constant_values=255)
