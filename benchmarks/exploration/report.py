"""What an exploration found: a table against bicubic, and a picture against `mse`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.exploration.changes import BASE
from textsr.evaluation.score import reader_names
from textsr.evaluation.statistics import Estimate, Resampling
from textsr.evaluation.summary import compare_methods, summarise
from textsr.files import replace_file

Tables = Mapping[str, pd.DataFrame]
"""Rows of scores by change; `method` is the weight of the output against bicubic's."""

_ROW_INCHES = 0.32


def render(
    bicubic: pd.DataFrame,
    tables: Tables,
    records: Mapping[str, Mapping[str, Any]],
    resampling: Resampling,
) -> str:
    """Render, for each weight, a row a change: steps, PSNR, SSIM, readers over bicubic.

    How fast each is stands in `benchmarks.exploration.speed`, for which nothing else may run.
    """
    base = summarise(bicubic, resampling)
    readers = reader_names(bicubic)
    parts = [
        f"{base['samples']} lines. Bicubic: {base['psnr_db']:.2f} dB, SSIM {base['ssim']:.3f}"
        + "".join(f", {reader} {base[reader]['accuracy']:.3f}" for reader in readers)
        + f". Points of accuracy over it, with {resampling.confidence:.0%} intervals, and CER.\n"
    ]
    headings = ["change", "steps", "PSNR dB", "SSIM"]
    headings += [f"{reader}, CER" for reader in readers]
    for weight in _weights(tables):
        rows = [headings, ["---"] * len(headings)]
        for name, table in tables.items():
            rows.append(
                [
                    f"{name}: {records[name]['change']}",
                    f"{records[name]['steps']:,}",
                    *cells(_at(table, weight), bicubic, readers, resampling),
                ]
            )
        parts.append(f"### {_title(weight)}\n")
        parts.append("".join(f"| {' | '.join(row)} |\n" for row in rows))
    return "\n".join(parts)


def draw(tables: Tables, resampling: Resampling, path: Path) -> None:
    """Draw each change's difference to `mse` in points of accuracy, a panel a reader and weight."""
    names = [name for name in tables if name != BASE]
    weights, readers = _weights(tables), reader_names(tables[BASE])
    figure = Figure(
        figsize=(3 + 3 * len(weights) * len(readers), 1.2 + _ROW_INCHES * len(names)),
        layout="constrained",
    )
    panels = figure.subplots(
        1, len(weights) * len(readers), sharex=True, sharey=True, squeeze=False
    )[0]
    places = [(reader, weight) for reader in readers for weight in weights]
    for axes, (reader, weight) in zip(panels, places, strict=True):
        base = _at(tables[BASE], weight)
        changes = [
            compare_methods(_at(tables[name], weight), base, resampling)[reader] for name in names
        ]
        _forest(axes, names, changes)
        axes.set_title(f"{reader}, {_title(weight)}", fontsize=9)
    figure.supxlabel(f"points of accuracy over {BASE}, {resampling.confidence:.0%} intervals")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _forest(axes: Axes, names: list[str], changes: list[Estimate]) -> None:
    axes.axvline(0, color="0.6", linewidth=1)
    for row, change in enumerate(changes):
        colour = "0.35"
        if change.excludes_zero:
            colour = "tab:green" if change.value > 0 else "tab:red"
        axes.plot([100 * change.low, 100 * change.high], [row, row], color=colour, linewidth=2)
        axes.plot(100 * change.value, row, "o", color=colour, markersize=5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _weights(tables: Tables) -> list[str]:
    weights: list[str] = tables[BASE]["method"].unique().tolist()
    return weights


def _at(table: pd.DataFrame, weight: str) -> pd.DataFrame:
    return table[table["method"] == weight]


def _title(weight: str) -> str:
    return "the output alone" if weight == "1" else f"blended at {weight}"


def cells(
    table: pd.DataFrame, bicubic: pd.DataFrame, readers: list[str], resampling: Resampling
) -> list[str]:
    """Return a method's PSNR, SSIM (a dash where there is no HR), and readers over bicubic."""
    summary = summarise(table, resampling)
    gains = compare_methods(table, bicubic, resampling)
    fidelity = (("psnr_db", ".2f"), ("ssim", ".3f"))
    row = [f"{summary[key]:{form}}" if summary[key] is not None else "-" for key, form in fidelity]
    for reader in readers:
        row.append(f"{difference(gains[reader])}, {summary[reader]['cer']:.3f}")
    return row


def difference(estimate: Estimate) -> str:
    """Return a difference of accuracies in points, with its interval."""
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
