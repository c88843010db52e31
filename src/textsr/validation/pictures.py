"""Pictures of a dataset: samples from mild to severe, and histograms of what was recorded."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from textsr.datasets.shards import decode_grey, row_name
from textsr.images.grey import Image
from textsr.validation.census import Census
from textsr.validation.profile import Names, Numbers
from textsr.validation.shards import chosen_batches

CONTACT_SHEET = "contact_sheet.png"
HISTOGRAMS = "histograms.png"

_STEPS = 10
_EACH = 3
_COLUMNS = 5
_GAP = 4  # pixels between the pictures of a sample
_BLUE, _GREY = "#31688e", "#777777"
_UNITS = {
    "px": "HR pixels",
    "levels": "grey levels",
    "degrees": "degrees",
    "em": "em",
    "share": "share",
    "heights": "line heights",
}


def draw_contact_sheet(samples: pd.DataFrame, census: Census, path: Path) -> None:
    """Draw samples by severity: LR's PSNR after bicubic upscaling, in ten steps of equal size.

    Of each sample the LR image, enlarged without interpolation, its bicubic upscaling, and HR.

    Args:
        samples: the validated table.
        census: of the same dataset.
        path: the PNG file to write.
    """
    ranked = samples.dropna(subset=["bicubic_psnr_db"]).sort_values(
        ["bicubic_psnr_db", "number"], ascending=[False, True]
    )
    figure = Figure(figsize=(16, 22), layout="constrained")
    figure.suptitle(
        "Samples from mild to severe degradation: LR, bicubic upscaling, HR", fontsize=15
    )
    axes = figure.subplots(_STEPS, _EACH, squeeze=False)
    bounds = np.linspace(0, len(ranked), _STEPS + 1).astype(int)
    steps = [ranked.iloc[first:last] for first, last in pairwise(bounds)]
    shown = [
        step.iloc[np.linspace(0, len(step) - 1, _EACH).astype(int)] for step in steps if len(step)
    ]
    pairs = _pairs(census, sorted({int(n) for step in shown for n in step["number"]}))
    for row, step in zip(axes, shown, strict=False):
        for panel, (_, sample) in zip(row, step.iterrows(), strict=True):
            panel.imshow(_stack(*pairs[int(sample["number"])]), cmap="gray", vmin=0, vmax=255)
            panel.set_title(
                f"{sample['bicubic_psnr_db']:.1f} dB   {sample['sample_id']}".replace("$", r"\$"),
                fontsize=10,
            )
    for number, row in enumerate(axes):
        row[0].set_ylabel(f"{number + 1} of {_STEPS}", fontsize=11)
        for panel in row:
            _bare(panel)
    _save(figure, path, dpi=90)


def draw_histograms(columns: list[Numbers | Names], path: Path) -> None:
    """Draw the distribution of every column over all rows.

    Effects are drawn over the rows they were applied to; how many they were not is told.
    """
    rows = -(-len(columns) // _COLUMNS)
    figure = Figure(figsize=(18, 2.5 * rows))
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel, column in zip(axes, columns, strict=False):
        _histogram(panel, column)
    for panel in axes[len(columns) :]:
        panel.set_axis_off()
    figure.subplots_adjust(
        left=0.05, right=0.99, bottom=0.3 / rows, top=1 - 0.3 / rows, hspace=0.8, wspace=0.3
    )
    _save(figure, path, dpi=70)


def _histogram(panel: Axes, column: Numbers | Names) -> None:
    missing = f"\nnot applied: {1 - column.share:.0%}" if column.share < 1 else ""
    panel.set_title(f"{column.name}{missing}", fontsize=10)
    panel.tick_params(labelsize=8)
    if column.share == 0:
        panel.set_xticks([])
        panel.set_yticks([])
        return
    if isinstance(column, Names):
        names = list(column.counts)[::-1]
        panel.barh(names, [column.counts[name] for name in names], color=_BLUE)
        panel.tick_params(axis="y", labelsize=8 if len(names) < 9 else 6)
        panel.set_xlabel("rows", fontsize=8)
        return
    if column.least == column.greatest:
        panel.bar([f"{column.least:g}"], [sum(column.counts)], width=0.2, color=_BLUE)
        panel.set_xlim(-1, 1)
        panel.set_xlabel(_unit(column.name), fontsize=8)
        return
    width = (column.greatest - column.least) / len(column.counts)
    lefts = column.least + width * np.arange(len(column.counts))
    panel.bar(lefts, column.counts, width=width, align="edge", color=_BLUE)
    panel.axvline(column.median, color=_GREY, linewidth=1, linestyle="--")
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.set_xlabel(_unit(column.name), fontsize=8)
    panel.set_ylabel("rows", fontsize=8)


def _unit(name: str) -> str:
    if name in ("ink", "ground"):
        return "grey levels"
    if name in ("lr_height", "lr_width"):
        return "LR pixels"
    if name.startswith("hr_"):
        return "HR pixels"
    # A suffix tells the pass; without a known unit, the last word says what the number is.
    words = [word for word in name.split("_") if not word.isdigit()]
    return next((_UNITS[word] for word in reversed(words) if word in _UNITS), words[-1])


def _pairs(census: Census, numbers: list[int]) -> dict[int, tuple[Image, Image]]:
    pairs = {}
    chosen = chosen_batches(census.shards, np.array(numbers), ["hr", "lr"])
    for shard, batch, first, places in chosen:
        images = [pc.struct_field(batch[name], "bytes") for name in ("hr", "lr")]
        for place in places.tolist():
            name = row_name(shard.path, first - shard.first + place)
            high, low = (decode_grey(column[place].as_py(), name) for column in images)
            pairs[first + place] = (high, low)
    return pairs


def _stack(hr: Image, lr: Image) -> Image:
    size = hr.shape[::-1]
    shown = [
        cv2.resize(lr, size, interpolation=kind) for kind in (cv2.INTER_NEAREST, cv2.INTER_CUBIC)
    ]
    gap = np.full((_GAP, hr.shape[1]), 255, np.uint8)
    return np.asarray(np.vstack([shown[0], gap, shown[1], gap, hr]), np.uint8)


def _bare(panel: Axes) -> None:
    panel.set_anchor("W")
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)


def _save(figure: Figure, path: Path, dpi: int) -> None:
    FigureCanvasAgg(figure)
    # No version of the library in the file: equal data give equal bytes.
    figure.savefig(path, dpi=dpi, metadata={"Software": None})
