"""Sheets of cases: which lines they show, and that they are the same bytes each time."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from textsr.config.params import Params
from textsr.evaluation import pictures
from textsr.evaluation.cases import Case
from textsr.evaluation.panels import Cell
from textsr.evaluation.pictures import draw_pictures
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.sheets import SheetRow, save_sheet

pytestmark = pytest.mark.slow

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 200)).astype(np.uint8)
EDITS = [(1, 0), (1, 2), (0, 0), (1, 1), (3, 0), (0, 3), (2, 2)]
"""Of each line of a set, bicubic's and the model's."""


def row(text: str = "abc", reading: str = "abc", psnr: float | None = 0.5) -> SheetRow:
    return SheetRow(1, Case("a", 3, (1, 0), psnr), text, [Cell(IMAGE, {"oracle": reading})] * 2)


def test_sheet_takes_any_text_and_is_the_same_bytes(tmp_path: Path) -> None:
    texts = ["abc", "", "$_$ \\frac €", "漢字\n\0", "long words " * 20, "longword" * 20]
    rows = [
        row(text, text, psnr) for text, psnr in zip(texts, [None, float("inf")] * 3, strict=True)
    ]
    for name in ("a.png", "b.png"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # matplotlib warns of glyphs that its font lacks
            groups = [("$_$ some", rows), ("none", [])]
            save_sheet(tmp_path / name, "$_$", ["bicubic", "$_$"], groups)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert cv2.imread(str(tmp_path / "a.png")) is not None


def test_groups_and_rows_add_to_the_height(tmp_path: Path) -> None:
    def height(*groups: int) -> int:
        shown = [("group", [row()] * rows) for rows in groups]
        save_sheet(tmp_path / "p.png", "title", ["bicubic", "mine"], shown)
        return int(cv2.imread(str(tmp_path / "p.png")).shape[0])

    assert height(1, 0) < height(1, 0, 0) < height(1, 1)


def one_set(hr: bool) -> tuple[list[EvaluationLine], pd.DataFrame, pd.DataFrame]:
    """Lines, the scores of a model and those of bicubic (and HR, and of another set)."""
    image = np.zeros((64, 128), np.uint8)
    lines = [
        EvaluationLine(f"line-{n}", "abc", np.full((16, 32), n, np.uint8), image if hr else None)
        for n in range(len(EDITS))
    ]

    def scores(method: str, edits: list[int], name: str = "mine") -> pd.DataFrame:
        table = pd.DataFrame({"line_id": [line.line_id for line in lines], "text": "abc"})
        table[["method", "set"]] = method, name
        table["psnr_db"] = 20.0 if hr else float("nan")
        table["oracle_edits"], table["oracle_length"] = edits, 3
        table["oracle_exact"] = table["oracle_edits"] == 0
        table["oracle_text"] = [f"{method} {line.line_id}" for line in lines]
        return table

    base = [
        scores("bicubic", [0] * len(EDITS), "other"),
        scores("bicubic", [before for before, _ in EDITS]),
        *([scores("hr", [0] * len(EDITS))] if hr else []),
    ]
    return lines, scores("net", [after for _, after in EDITS]), pd.concat(base, ignore_index=True)


@pytest.mark.parametrize("hr", [True, False])
def test_sheet_shows_the_chosen_lines_with_their_own_images_and_readings(
    tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hr: bool
) -> None:
    drawn = []
    monkeypatch.setattr(pictures, "save_sheet", lambda *arguments: drawn.append(arguments))
    lines, scores, base = one_set(hr)
    images = [np.full((64, 128), 100 + n, np.uint8) for n in range(len(lines))]
    draw_pictures(tiny_params, lines, images, scores, base, tmp_path)
    ((path, title, methods, groups),) = drawn
    assert path == tmp_path / "cases/mine-oracle.png"
    assert methods == ["bicubic", "net", "HR"][: 3 if hr else 2]
    assert "mine: best, median and worst lines of net, read by oracle" in title
    assert "fewer on 2, more on 2, as many on 3 of 7 lines" in title
    assert ("PSNR" in title) == hr

    shown = {heading.split(":")[0]: rows for heading, rows in groups}
    assert list(shown) == ["best", "median", "worst"]
    lines_of = {name: [row.case.line_id for row in rows] for name, rows in shown.items()}
    # panel_lines is 4: a third of it is one of each kind.
    assert lines_of == {"best": ["line-4"], "median": ["line-3"], "worst": ["line-5"]}
    assert [rows[0].rank for rows in shown.values()] == [1, 4, 7]
    for rows in shown.values():
        name = rows[0].case.line_id
        number = int(name.removeprefix("line-"))
        assert [cell.readings["oracle"] for cell in rows[0].cells] == [
            f"bicubic {name}", f"net {name}", *([f"hr {name}"] if hr else [])
        ]  # fmt: skip
        assert [int(cell.image[0, 0]) for cell in rows[0].cells[:2]] == [number, 100 + number]


def test_pictures_are_the_same_bytes_and_a_sheet_is_no_panel(
    tiny_params: Params, tmp_path: Path
) -> None:
    lines, scores, base = one_set(True)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        draw_pictures(tiny_params, lines, [IMAGE] * len(lines), scores, base, tmp_path / name)
    made = {path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png")}
    assert made == {Path("mine.png"), Path("cases/mine-oracle.png")}
    for path in made:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
