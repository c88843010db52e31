"""Panels: any text, every row and column, right and wrong told apart."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from textsr.evaluation import panels
from textsr.evaluation.panels import Cell, printable, save_figure, save_panel, spread_evenly

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 200)).astype(np.uint8)


@pytest.mark.parametrize("text", ["$_$", "$\\frac$", "a$^$b", "$$", "\\$", ""])
@pytest.mark.parametrize("where", ["title", "method", "reading"])
def test_no_text_is_taken_for_mathematics(tmp_path: Path, text: str, where: str) -> None:
    plain = {"title": "t", "method": "m", "reading": "r"} | {where: text}
    rows = [("r", [Cell(IMAGE, {"e": plain["reading"]})])]
    save_panel(tmp_path / "p.png", [plain["method"]], rows, plain["title"])
    assert cv2.imread(str(tmp_path / "p.png")) is not None


def test_reading_in_another_script_or_of_control_characters_is_shown(tmp_path: Path) -> None:
    reading = "漢字 € Łódź שלום a\u0301 \u20b9 a\nb\tc\0"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of glyphs that its font lacks
        save_panel(tmp_path / "p.png", ["m"], [("r", [Cell(IMAGE, {"e": reading})])], "t")


@pytest.mark.parametrize("text", ["€ 9,50", "Łódź", "Œuvre", "naïve Σ ≤ Ж", ""])
def test_what_the_font_can_draw_is_drawn_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(text=st.text(max_size=40))
def test_every_character_is_drawn_as_itself_or_as_a_box(text: str) -> None:
    drawn = printable(text)
    assert len(drawn) == len(text)
    assert all(shown in (character, "□") for shown, character in zip(drawn, text, strict=True))
    assert drawn.isprintable()
    assert printable(drawn) == drawn


def coloured(path: Path) -> tuple[bool, bool]:
    """Whether a picture has green, and whether it has red writing."""
    _, green, red = cv2.imread(str(path)).astype(int).transpose(2, 0, 1)
    return bool((green > red + 60).any()), bool((red > green + 60).any())


@pytest.mark.parametrize(
    ("readings", "expected", "written"),
    [
        ({"e": "rm 12.50"}, (True, False), ["✓ rm 12.50"]),
        ({"e": "RM 12.60"}, (False, True), ["✗ RM 12.60"]),
        ({"e": ""}, (False, True), ["✗ (nothing read)"]),
        ({"e": "RM 12.50", "f": "R"}, (True, True), ["✗ f: R", "✓ e: RM 12.50"]),
        ({}, (False, False), []),
    ],
)
def test_readings_are_marked_by_a_sign_and_a_colour_under_what_the_line_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    readings: dict[str, str],
    expected: tuple[bool, bool],
    written: list[str],
) -> None:
    texts = []

    def save(path: Path, figure: Figure) -> None:
        texts.extend(found.get_text() for found in figure.axes[0].texts)
        save_figure(path, figure)

    monkeypatch.setattr(panels, "save_figure", save)
    rows = [("RM 12.50", [Cell(IMAGE, readings)])]
    save_panel(tmp_path / "p.png", ["bicubic"], rows, "title")
    assert coloured(tmp_path / "p.png") == expected
    assert texts == [*written, "RM 12.50"]


def test_every_line_adds_to_the_height_and_every_method_to_the_width(tmp_path: Path) -> None:
    def size(rows: int, methods: int) -> tuple[int, ...]:
        lines = [("x", [Cell(IMAGE, {"e": "x"})] * methods)] * rows
        save_panel(tmp_path / "p.png", ["m"] * methods, lines, "title")
        return cv2.imread(str(tmp_path / "p.png")).shape[:2]

    one, tall, wide = size(1, 1), size(3, 1), size(1, 3)
    assert (tall[0] > one[0], tall[1]) == (True, one[1])
    assert (wide[0], wide[1] > one[1]) == (one[0], True)


def test_failed_panel_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="zip"):
        save_panel(path, ["one", "two"], [("x", [Cell(IMAGE, {"e": "x"})])], "title")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@given(count=st.integers(1, 500), wanted=st.integers(1, 30))
def test_rows_of_a_panel_are_as_many_as_wanted_and_at_equal_distances(
    count: int, wanted: int
) -> None:
    rows = spread_evenly(count, wanted)
    assert len(rows) == min(count, wanted)
    assert rows == sorted(set(rows))
    assert 0 <= rows[0] <= rows[-1] < count
    if len(rows) > 1:
        assert (rows[0], rows[-1]) == (0, count - 1)
        distances = np.diff(rows)
        assert distances.max() - distances.min() <= 1
