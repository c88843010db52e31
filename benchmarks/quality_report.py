"""Methods side by side on sets of lines: the numbers, and how they are shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from textsr.evaluation.judges import describe_judges, judges_of_summary
from textsr.evaluation.score import engine_names
from textsr.evaluation.statistics import Bootstrap
from textsr.evaluation.summary import compare_methods, summarise

Tables = Mapping[str, Mapping[str, pd.DataFrame]]
"""Rows of scores (`score.score_set`) by set and method."""


def build_report(tables: Tables, models: Sequence[str], bootstrap: Bootstrap) -> dict[str, Any]:
    """Summarise each method on each set, and compare the models with the other methods.

    Args:
        tables: scores; a method may be missing on a set.
        models: the methods to compare with all others.
        bootstrap: how intervals are computed.

    Returns:
        `confidence` and, in `sets` by name, `methods` (see `summary.summarise`) and `differences`:
        by model, other method and measure, `value` and `ci` of model - other, line by line.
    """
    return {
        "confidence": bootstrap.confidence,
        "sets": {
            name: {
                "methods": {method: summarise(table, bootstrap) for method, table in of.items()},
                "differences": {
                    model: {
                        other: _differences(of[model], table, bootstrap)
                        for other, table in of.items()
                        if other not in models
                    }
                    for model in models
                },
            }
            for name, of in tables.items()
        },
    }


def _differences(
    model: pd.DataFrame, other: pd.DataFrame, bootstrap: Bootstrap
) -> dict[str, dict[str, Any]]:
    differences = compare_methods(model, other, bootstrap)
    # In the order of the summary's columns.
    names = [name for name in ("psnr_db", "ssim", *engine_names(model)) if name in differences]
    return {
        name: {"value": differences[name].value, "ci": differences[name].interval} for name in names
    }


def render_report(report: Mapping[str, Any]) -> str:
    """Render a report as Markdown: two tables a set, with intervals, and what was left out."""
    parts = []
    for name, found in report["sets"].items():
        rows = found["methods"]
        samples = next(iter(rows.values()))["samples"]
        parts.append(f"### {name} ({samples} lines)\n")
        parts.append(_table(["method", *_headings(rows)], {m: _scores(r) for m, r in rows.items()}))
        differences = {
            f"{model} - {other}": measures
            for model, others in found["differences"].items()
            for other, measures in others.items()
        }
        if differences:
            parts.append(
                _table(
                    ["paired difference", *map(_heading, next(iter(differences.values())))],
                    {pair: _changes(measures) for pair, measures in differences.items()},
                )
            )
    parts.append(
        "Accuracy is exact match of lower-cased letters and digits; brackets are "
        f"{report['confidence']:.0%} bootstrap intervals.\n"
    )
    row = next(iter(next(iter(report["sets"].values()))["methods"].values()))
    parts.append(f"{describe_judges(judges_of_summary(row))}\n")
    parts += [f"{name}: left out: {why}\n" for name, why in report.get("left_out", {}).items()]
    return "\n".join(parts)


def _table(headings: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *([name, *cells] for name, cells in rows.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _headings(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    row = next(iter(rows.values()))
    engines = [f"{engine} {measure}" for engine in _engines(row) for measure in ("accuracy", "CER")]
    return [_heading(name) for name in ("psnr_db", "ssim") if row[name] is not None] + engines


def _heading(measure: str) -> str:
    return {"psnr_db": "PSNR dB", "ssim": "SSIM"}.get(measure, f"{measure} points")


def _engines(row: Mapping[str, Any]) -> list[str]:
    return list(judges_of_summary(row))


def _scores(row: Mapping[str, Any]) -> list[str]:
    cells = [
        _cell(row[name], row[f"{name}_ci"], form)
        for name, form in (("psnr_db", ".2f"), ("ssim", ".3f"))
        if row[name] is not None
    ]
    for engine in _engines(row):
        for measure in ("accuracy", "cer"):
            cells.append(_cell(row[engine][measure], row[engine][f"{measure}_ci"], ".3f"))
    return cells


def _changes(measures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    cells = []
    for name, change in measures.items():
        form = {"psnr_db": "+.3f", "ssim": "+.4f"}.get(name, "+.1f")
        factor = 1 if name in ("psnr_db", "ssim") else 100
        cells.append(_cell(factor * change["value"], [factor * x for x in change["ci"]], form))
    return cells


def _cell(value: float, interval: Sequence[float], form: str) -> str:
    low, high = interval
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
