"""A heat map of slices: what a method gains over bicubic, a row a slice, a column an OCR engine."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from textsr.evaluation.panels import printable, save_figure
from textsr.evaluation.slices import Slice

# Inches.
_LABEL, _COLUMN, _ROW, _MARGIN = 3.4, 1.5, 0.27, 0.25
_LABEL_CHARACTERS = 34
_TITLE, _GAP = 0.9, 0.22
_LEAST_SPAN = 10.0  # points of the deepest colours: trifles are pale
_COLOURS = "RdBu"  # told apart by colour-blind people, too
_DARK = 0.6  # share of the span from which numbers are white


def save_heat_map(path: Path, title: str, slices: Sequence[Slice]) -> None:
    """Draw a method's gains on slices, and save them as PNG.

    Blue is better than bicubic, red is worse. A number is bold where its interval excludes zero.

    Args:
        path: where to save it.
        title: what the picture shows; at most two lines.
        slices: at least one, those of a property together, as `score_slices` returns them.
    """
    engines = list(slices[0]["engines"])
    groups = [(by, list(rows)) for by, rows in groupby(slices, key=lambda each: each["by"])]
    width = _LABEL + _COLUMN * len(engines) + _MARGIN
    height = _TITLE + _ROW * len(slices) + _GAP * len(groups) + _MARGIN
    figure = Figure(figsize=(width, height))
    figure.text(_MARGIN / width, 1 - 0.12 / height, title, fontsize=9, va="top", parse_math=False)
    gains = np.array([[100 * each["engines"][name]["gain"] for name in engines] for each in slices])
    span = max(_LEAST_SPAN, float(np.abs(gains).max()))
    top = _TITLE
    for number, (by, rows) in enumerate(groups):
        deep = _ROW * len(rows)
        axis = figure.add_axes(
            (
                _LABEL / width,
                1 - (top + deep) / height,
                _COLUMN * len(engines) / width,
                deep / height,
            )
        )
        shown = gains[: len(rows)]
        gains = gains[len(rows) :]
        axis.imshow(
            shown, cmap=matplotlib.colormaps[_COLOURS], vmin=-span, vmax=span, aspect="auto"
        )
        labels = [f"{_label(each['slice'])} ({each['lines']})" for each in rows]
        axis.set_yticks(range(len(rows)), labels, fontsize=8, parse_math=False)
        headings = engines if number == 0 else [""] * len(engines)
        axis.set_xticks(range(len(engines)), headings, fontsize=9, parse_math=False)
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.set_frame_on(False)
        figure.text(
            _MARGIN / width, 1 - (top + _ROW / 2) / height, by.replace(" (", "\n("), fontsize=8,
            fontweight="bold", va="center", linespacing=1.3,
        )  # fmt: skip
        for y, each in enumerate(rows):
            for x, engine in enumerate(engines):
                low, high = each["engines"][engine]["gain_ci"]
                axis.text(
                    x, y, f"{shown[y, x]:+.1f}", ha="center", va="center", fontsize=8,
                    fontweight="bold" if low > 0 or high < 0 else "normal",
                    color="white" if abs(shown[y, x]) > _DARK * span else "black",
                )  # fmt: skip
        top += deep + _GAP
    save_figure(path, figure)


def _label(name: str) -> str:
    """Return a slice's name as it fits: families of fonts are called what their folders are."""
    short = name if len(name) <= _LABEL_CHARACTERS else f"{name[: _LABEL_CHARACTERS - 1]}…"
    return printable(short)
