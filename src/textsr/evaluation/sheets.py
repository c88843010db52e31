"""A sheet of a method's best, median and worst lines, as one OCR engine sees them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from textsr.evaluation.cases import Case
from textsr.evaluation.panels import Cell, draw_cell, printable, save_figure

# Inches.
_TITLE, _METHODS, _HEADING, _ROW = 0.75, 0.25, 0.26, 0.84
_LABEL, _COLUMN, _GAP = 2.1, 4.2, 0.1
_LABEL_CHARACTERS = 26
_BAND = "#eaeef2"


@dataclass(frozen=True)
class SheetRow:
    """A line on a sheet.

    Attributes:
        rank: its place in the ranking of its set, from 1.
        case: its scores.
        text: what it says.
        cells: a cell a method.
    """

    rank: int
    case: Case
    text: str
    cells: Sequence[Cell]


def save_sheet(
    path: Path,
    title: str,
    methods: Sequence[str],
    groups: Sequence[tuple[str, Sequence[SheetRow]]],
) -> None:
    """Draw groups of lines, a row a line and a column a method, and save them as PNG.

    Args:
        path: where to save it.
        title: what the sheet shows and how its lines were chosen; at most three lines.
        methods: heading of each column.
        groups: for each its heading and its rows, of which there may be none.
    """
    rows = sum(len(group) for _, group in groups)
    width = _LABEL + (_COLUMN + _GAP) * len(methods)
    height = _TITLE + _METHODS + (_HEADING + _GAP) * len(groups) + _ROW * rows + _GAP
    figure = Figure(figsize=(width, height))

    def axes(left: float, top: float, right: float, bottom: float) -> Axes:
        """Place empty axes, by their edges in inches from the figure's upper left corner."""
        box = (left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height)
        return figure.add_axes(box, anchor="NW", xticks=[], yticks=[], frame_on=False)

    _write(axes(_GAP, 0.05, width, _TITLE), title, fontsize=9, linespacing=1.5)
    lefts = [_LABEL + (_COLUMN + _GAP) * number for number in range(len(methods))]
    top = _TITLE
    for left, method in zip(lefts, methods, strict=True):
        _write(axes(left, top, left + _COLUMN, top + _METHODS), method, fontweight="bold")
    top += _METHODS
    for heading, group in groups:
        band = axes(0, top, width, top + _HEADING)
        band.set(frame_on=True, facecolor=_BAND)
        band.spines[:].set_visible(False)
        _write(axes(_GAP, top + 0.05, width, top + _HEADING), heading, fontweight="bold")
        top += _HEADING
        for row in group:
            text = _wrapped(row.text)
            _write(axes(_GAP, top + 0.1, _LABEL, top + _ROW), text, fontsize=8, fontweight="bold")
            under = top + 0.26 + 0.14 * text.count("\n")
            _write(axes(_GAP, under, _LABEL, top + _ROW), _scores(row), fontsize=7)
            for left, cell in zip(lefts, row.cells, strict=True):
                draw_cell(axes(left, top + 0.26, left + _COLUMN, top + _ROW), cell, row.text)
            top += _ROW
        top += _GAP
    save_figure(path, figure)


def _write(axis: Axes, text: str, **style: Any) -> None:
    # No mathematics: a dollar sign is a dollar sign.
    place: dict[str, Any] = {
        "va": "top",
        "transform": axis.transAxes,
        "parse_math": False,
        "fontsize": 9,
    }
    axis.text(0, 1, text, **(place | style))


def _wrapped(text: str) -> str:
    """What a line says, on one row or two."""
    lines = textwrap.wrap(printable(text), _LABEL_CHARACTERS, max_lines=2, placeholder="…")
    return "\n".join(lines) or "(no text)"


def _scores(row: SheetRow) -> str:
    case = row.case
    before, after = case.edits
    change = f"error {100 * case.change:+.0f} points"
    if case.psnr_gain_db is not None:
        change += f", PSNR {case.psnr_gain_db:+.2f} dB"
    edits = f"{before} → {after} edits ({case.edits_change:+d}) of {case.length}"
    return f"{edits}\n{change}\nrank {row.rank}"
