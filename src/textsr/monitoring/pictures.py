"""Pictures of a drift report: distributions side by side, and the most unusual images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from textsr.images.grey import Image
from textsr.monitoring.drift import Finding

DISTRIBUTIONS = "distributions.png"
UNUSUAL = "unusual.png"

_BINS = 24
_COLUMNS = 4
_SHEET_COLUMNS = 4
_GREY, _BLUE, _RED = "#a0a0a0", "#31688e", "#b5362e"
_MIDDLE = (0.5, 99.5)  # percentiles; a few extremes would squeeze all else into one bin


def draw_distributions(
    reference: pd.DataFrame, production: pd.DataFrame, findings: Sequence[Finding], path: Path
) -> None:
    """Draw each judged property's distribution on both sides, as shares of their images."""
    rows = -(-len(findings) // _COLUMNS)
    figure = Figure(figsize=(3.4 * _COLUMNS, 2.9 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel, finding in zip(axes, findings, strict=False):
        _distribution(panel, finding, reference[finding.name], production[finding.name])
    for panel in axes[len(findings) :]:
        panel.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=11)
    figure.savefig(path, dpi=80, format="png", metadata={"Software": None})


def _distribution(panel: Axes, finding: Finding, *samples: pd.Series) -> None:
    trained, seen = (sample.dropna().to_numpy() for sample in samples)
    ends = [np.percentile(values, _MIDDLE) for values in (trained, seen)]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if finding.name == "height_px":  # whole numbers: a bin of their own each, while there is room
        edges = np.arange(low - 0.5, high + 1.5, max(1, round((high - low) / _BINS)))
    else:
        margin = 0.5 if low == high else 0.0
        edges = np.linspace(low - margin, high + margin, _BINS + 1)
    trained, seen = (np.clip(values, edges[0], edges[-1]) for values in (trained, seen))
    shares = [np.full(len(values), 1 / len(values)) for values in (trained, seen)]
    bins = edges.tolist()
    panel.hist(trained, bins, weights=shares[0], label="trained on", color=_GREY, alpha=0.7)
    panel.hist(
        seen, bins, weights=shares[1], label="production", color=_BLUE, histtype="step", lw=1.8
    )
    verdict = "drifted" if finding.drifted else "no drift"
    panel.set_title(
        f"{finding.name}: {verdict}\nmoved {finding.distance:.3g}, tolerated {finding.tolerance:g}",
        fontsize=10,
        color=_RED if finding.drifted else "black",
    )
    panel.set_xlabel(finding.unit, fontsize=9)
    panel.tick_params(labelsize=8)
    panel.xaxis.set_major_locator(MaxNLocator(5, integer=finding.name == "height_px"))
    panel.yaxis.set_major_locator(MaxNLocator(4))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.spines[["top", "right"]].set_visible(False)


def draw_unusual(images: Sequence[tuple[Image, str]], path: Path) -> None:
    """Draw images without interpolation, above each what is said of it."""
    rows = -(-len(images) // _SHEET_COLUMNS)
    figure = Figure(figsize=(14, 1.5 * rows), layout="constrained")
    axes = figure.subplots(rows, _SHEET_COLUMNS, squeeze=False).ravel()
    for panel in axes:
        panel.set_axis_off()
    for panel, (image, said) in zip(axes, images, strict=False):
        panel.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        panel.set_title(said.replace("$", r"\$"), fontsize=9)
    figure.savefig(path, dpi=80, format="png", metadata={"Software": None})
