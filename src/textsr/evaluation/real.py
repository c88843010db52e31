"""Judging a model on a folder of real crops: the `score` verb."""

from pathlib import Path
from typing import Literal, cast

import pandas as pd

from textsr.config.judging import JudgingParams
from textsr.errors import TextsrError
from textsr.evaluation.judges import describe_judges, judges_of
from textsr.evaluation.panels import READ_RIGHT, Cell, save_panel, spread_evenly
from textsr.evaluation.run import bootstrap_of
from textsr.evaluation.score import bicubic_upscale, network_upscale, score_set
from textsr.evaluation.sets import load_real_set
from textsr.evaluation.summary import compare_methods, summarise
from textsr.models.package import BlendedModel
from textsr.ocr.engines import available_engines
from textsr.pages import render_page
from textsr.progress import Progress


def score_folder(
    params: JudgingParams,
    folder: Path,
    kind: str,
    model: BlendedModel,
    panel: Path | None,
    progress: Progress,
) -> str:
    """Read a folder's crops from bicubic's output, the model's and, of kind `hr`, as they are.

    Args:
        params: what judging takes of params.yaml.
        folder: images and `labels.tsv`.
        kind: `lr`, small as they are; `hr`, sharp, to be degraded first.
        model: the model to judge.
        panel: where to save a picture of lines at equal distances, if at all.
        progress: starts a progress bar.

    Returns:
        A Markdown table with intervals, and the paired differences.
    """
    if kind not in ("lr", "hr"):
        raise TextsrError(f"--kind {kind}: no such kind; choose lr or hr")
    lines = load_real_set(folder.name, folder, cast(Literal["lr", "hr"], kind), params)
    images = {
        "bicubic": [bicubic_upscale(model.scale)(line.lr) for line in lines],
        model.spec.name: [network_upscale(model)(line.lr) for line in lines],
    }
    known = [line.hr for line in lines if line.hr is not None]
    if known:
        images["hr"] = known
    engines = available_engines(params.compute.threads)
    tick = progress(f"reading {folder.name}", len(lines) * len(images) * len(engines))
    tables = {
        method: score_set(method, folder.name, lines, upscaled, engines, tick)
        for method, upscaled in images.items()
    }
    if panel is not None:
        engine = engines[0].name
        rows = [
            (
                lines[index].text,
                [
                    Cell(images[method][index], {engine: tables[method][f"{engine}_text"][index]})
                    for method in images
                ],
            )
            for index in spread_evenly(len(lines), params.evaluation.panel_lines)
        ]
        title = (
            f"{folder.name}: {len(rows)} of {len(lines)} lines at equal distances, read by "
            f"{engine}: {READ_RIGHT}"
        )
        save_panel(panel, list(images), rows, title)
    return _render(params, tables, model.spec.name)


def _render(params: JudgingParams, tables: dict[str, pd.DataFrame], model: str) -> str:
    bootstrap = bootstrap_of(params)
    judges = judges_of(tables["bicubic"])
    differences = compare_methods(tables[model], tables["bicubic"], bootstrap)
    page = render_page(
        "textsr.evaluation",
        "score.md.j2",
        rows={method: summarise(table, bootstrap) for method, table in tables.items()},
        engines=list(judges),
        model=model,
        lines=len(tables[model]),
        gains={engine: differences[engine].in_points() for engine in judges},
        judges=describe_judges(judges),
    )
    return page.rstrip()
