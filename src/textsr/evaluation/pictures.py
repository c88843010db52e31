"""The pictures of one method on one set: a panel, a sheet of cases for each OCR engine, slices."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from textsr.config.params import Params
from textsr.evaluation.cases import Case, choose_cases, compare_lines
from textsr.evaluation.heat_map import save_heat_map
from textsr.evaluation.panels import READ_RIGHT, Cell, save_panel, spread_evenly
from textsr.evaluation.score import bicubic_upscale, engine_names
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.sheets import SheetRow, save_sheet
from textsr.evaluation.slices import Slice
from textsr.files import write_text
from textsr.images.grey import Image
from textsr.pages import render_page

CASES = "cases"
"""The folder of the sheets, beside the panels."""

SLICES = "slices"
"""The folder of the heat map and the table of slices, beside the panels."""

_Cells = Callable[[int, str], list[Cell]]
"""Maps the index of a line and an OCR engine to a cell a method."""


def draw_pictures(
    params: Params,
    lines: Sequence[EvaluationLine],
    images: Sequence[Image],
    scores: pd.DataFrame,
    base: pd.DataFrame,
    folder: Path,
) -> None:
    """Draw what a method made of a set's lines, beside bicubic and, where it is known, HR.

    Writes under `folder`: `SET.png`, lines at equal distances, read by the first OCR engine, and
    `cases/SET-ENGINE.png`, the lines that `choose_cases` chooses, for each OCR engine.

    Args:
        params: the whole of params.yaml.
        lines: the set's lines, at least one; HR is known of all or of none.
        images: the method's image of each line.
        scores: the method's scores of the lines, as `score_set` returns them.
        base: the scores of bicubic and HR, of this set and others.
        folder: where to write; it is there.

    Raises:
        TextsrError: if bicubic was scored on other lines.
    """
    method, name = scores["method"].iloc[0], scores["set"].iloc[0]
    base = base[base["set"] == name]
    bicubic = base[base["method"] == "bicubic"]
    engines = [engine for engine in engine_names(scores) if engine in engine_names(bicubic)]
    headings = ["bicubic", method, "HR"][: 2 if lines[0].hr is None else 3]
    readings = {
        (row["method"], row["line_id"]): row
        for row in [*base.to_dict("records"), *scores.to_dict("records")]
    }
    upscale = bicubic_upscale(params.synthesis.scale)

    def cells(index: int, engine: str) -> list[Cell]:
        line = lines[index]
        shown = {"bicubic": upscale(line.lr), method: images[index], "hr": line.hr}
        return [
            Cell(image, {engine: str(readings[key, line.line_id][f"{engine}_text"])})
            for key, image in shown.items()
            if image is not None
        ]

    wanted = params.evaluation.panel_lines
    indices = spread_evenly(len(lines), wanted)
    title = (
        f"{name}: {len(indices)} of {len(lines)} lines at equal distances, read by {engines[0]}: "
        f"{READ_RIGHT}"
    )
    rows = [(lines[index].text, cells(index, engines[0])) for index in indices]
    save_panel(folder / f"{name}.png", headings, rows, title)

    (folder / CASES).mkdir(exist_ok=True)
    for engine in engines:
        title = f"{name}: best, median and worst lines of {method}, read by {engine}: {READ_RIGHT}"
        path = folder / CASES / f"{name}-{engine}.png"
        ranked = compare_lines(scores, bicubic, engine)
        _draw_cases(path, title, headings, ranked, lines, engine, cells, max(1, wanted // 3))


def draw_slices(
    params: Params, method: str, set_name: str, slices: Sequence[Slice], folder: Path
) -> None:
    """Write what a method gains over bicubic on slices of a set, as a heat map and as a table.

    Args:
        params: the whole of params.yaml.
        method: its name.
        set_name: the set's.
        slices: as `score_slices` returns them.
        folder: where to write `slices/SET.png` and `slices/SET.md`; it is there.
    """
    confidence = params.evaluation.confidence
    title = (
        f"{set_name}: gain of {method} over bicubic in points of accuracy, by slice.\n"
        f"Bold: the {confidence:.0%} interval excludes zero. In brackets: lines."
    )
    (folder / SLICES).mkdir(exist_ok=True)
    save_heat_map(folder / SLICES / f"{set_name}.png", title, slices)
    page = render_page(
        "textsr.evaluation",
        "slices.md.j2",
        model=method,
        set=set_name,
        slices=slices,
        engines=list(slices[0]["engines"]),
        confidence=confidence,
    )
    write_text(folder / SLICES / f"{set_name}.md", page)


def _draw_cases(
    path: Path,
    title: str,
    headings: Sequence[str],
    ranked: Sequence[Case],
    lines: Sequence[EvaluationLine],
    engine: str,
    cells: _Cells,
    wanted: int,
) -> None:
    index_of = {line.line_id: index for index, line in enumerate(lines)}

    def rows(places: Sequence[int]) -> list[SheetRow]:
        indices = [index_of[ranked[place].line_id] for place in places]
        return [
            SheetRow(place + 1, ranked[place], lines[index].text, cells(index, engine))
            for place, index in zip(places, indices, strict=True)
        ]

    choice = choose_cases(ranked, wanted)
    right = sum(case.is_won for case in ranked)
    more = sum(case.change > 0 for case in ranked)
    unsettled = sum(not case.settled for case in ranked)
    groups = [
        (
            f"best: the first {len(choice.best)} of {right} lines that are read right, and were "
            "not from bicubic",
            rows(choice.best),
        ),
        (
            f"median: the {len(choice.median)} nearest to the middle of the {unsettled} lines that "
            "are not read right from both",
            rows(choice.median),
        ),
        (
            f"worst: the last {len(choice.worst)} of {more} lines with more errors",
            rows(choice.worst),
        ),
    ]
    save_sheet(path, f"{title}\n{_explain(ranked, headings[1])}", headings, groups)


def _explain(ranked: Sequence[Case], method: str) -> str:
    fewer, more = (sum(sign * case.change > 0 for case in ranked) for sign in (-1, 1))
    psnr = "the gain in PSNR, " if any(case.psnr_gain_db is not None for case in ranked) else ""
    return (
        f"Ranked by the change in character error (edits over length, {method} minus bicubic), "
        f"what falls most first; then by the change in edits, {psnr}the name.\n"
        f"Errors against bicubic: fewer on {fewer}, more on {more}, as many on "
        f"{len(ranked) - fewer - more} of {len(ranked)} lines with letters or digits."
    )
