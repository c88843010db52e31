"""Side-by-side pictures of lines: what went in, what each method made of it, the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from textsr.files import replace_file
from textsr.images.grey import Image
from textsr.ocr.scoring import normalise

_ROW_INCHES = 0.75
_COLUMN_INCHES = 4.2
_WIDEST_INCHES = 18.0
_RIGHT, _WRONG = "#1a7f37", "#cf222e"


@dataclass(frozen=True)
class Cell:
    """One method's image of a line, and what an OCR engine made of it (None: it was not read)."""

    image: Image
    reading: str | None


def spread_evenly(count: int, wanted: int) -> list[int]:
    """Return `wanted` row numbers out of `count`, at equal distances, so that none is picked."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(wanted, count))})


def save_panel(
    path: Path, methods: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]], title: str
) -> None:
    """Draw a row a line and a column a method, and save it as PNG.

    Args:
        path: where to save it.
        methods: heading of each column.
        rows: for each line its text and a cell a method.
        title: what the picture shows and how its lines were chosen.
    """
    column = min(_COLUMN_INCHES, _WIDEST_INCHES / len(methods))
    size = (column * len(methods), _ROW_INCHES * column / _COLUMN_INCHES * len(rows) + 1.0)
    figure = Figure(figsize=size, layout="constrained")
    # No mathematics: a dollar sign is a dollar sign.
    figure.suptitle(title, fontsize=11, parse_math=False)
    axes = figure.subplots(len(rows), len(methods), squeeze=False)
    for line, (text, cells) in zip(axes, rows, strict=True):
        for axis, method, cell in zip(line, methods, cells, strict=True):
            draw_cell(axis, cell, text)
            if axis in axes[0]:
                axis.set_title(method, fontsize=10, fontweight="bold", pad=14, parse_math=False)
    save_figure(path, figure)


def draw_cell(axis: Axes, cell: Cell, text: str) -> None:
    """Draw an image and over it its reading, green where it reads `text` and else red."""
    axis.imshow(_fit(cell.image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_axis_off()
    if cell.reading is not None:
        right = normalise(cell.reading) == normalise(text)
        axis.text(
            0.0, 1.02, printable(cell.reading) or "(nothing read)", fontsize=7,
            color=_RIGHT if right else _WRONG, transform=axis.transAxes, va="bottom",
            parse_math=False,
        )  # fmt: skip


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
    missing = max(8 * height - width, 0)
    return np.pad(image, ((0, 0), (0, missing)), constant_values=255)
