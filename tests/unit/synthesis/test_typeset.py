"""Layout: kerned, spaced, and drawn where it was laid out."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from textsr.synthesis.typeset import draw_layout, lay_out


@pytest.fixture
def font(data: Path) -> Path:
    """A proportional font with kerning."""
    return data / "fonts/dejavu/DejaVuSans.ttf"


def test_pairs_are_kerned(font: Path) -> None:
    both, apart = lay_out("AV", font), lay_out("A", font).right + 0
    advance = lay_out("HH", font).places[1]
    assert both.places[1] < 0.684 - 0.02  # DejaVu's A is 0.684 em wide
    assert apart > 0
    assert advance == pytest.approx(0.752, abs=0.01)  # its H is 0.752 em, and not kerned


def test_monospaced_letters_are_equally_far_apart(data: Path) -> None:
    places = lay_out("iWl.A", data / "fonts/dejavu/DejaVuSansMono.ttf").places
    assert np.allclose(np.diff(places), 0.602, atol=1e-3)


def test_tracking_moves_each_letter_further(font: Path) -> None:
    plain, spaced = lay_out("hello", font), lay_out("hello", font, 0.1)
    assert np.allclose(np.array(spaced.places) - plain.places, 0.1 * np.arange(5))
    assert (spaced.top, spaced.bottom, spaced.left) == (plain.top, plain.bottom, plain.left)


def test_no_ligature_eats_a_letter(data: Path) -> None:
    for path in sorted((data / "fonts").rglob("*.[to]tf")):
        places = lay_out("office fly", path).places
        assert all(left < right for left, right in pairwise(places)), path


def test_bounds_are_those_of_the_ink(font: Path) -> None:
    layout = lay_out("Åg|j", font)
    ink = draw_layout(layout, font, 200)
    assert ink.shape == (
        int(np.ceil(np.ceil((layout.top - layout.bottom) * 80) * 2.5)),
        int(np.ceil(np.ceil((layout.right - layout.left) * 80) * 2.5)),
    )
    for edge in (ink[:6], ink[-6:], ink[:, :6], ink[:, -6:]):
        assert edge.max() > 0.3, "ink reaches each edge"


@pytest.mark.parametrize("text", ["Hello", "minimum 123"])
def test_drawing_is_freetypes(font: Path, text: str) -> None:
    size = 60
    layout = lay_out(text, font)
    ours = draw_layout(layout, font, size)
    face = ImageFont.truetype(str(font), size, layout_engine=ImageFont.Layout.BASIC)
    picture = PILImage.new("L", ours.shape[::-1])
    origin = (-layout.left * size, layout.top * size)
    ImageDraw.Draw(picture).text(origin, text, fill=255, font=face, anchor="ls")
    reference = np.asarray(picture) / 255
    # FreeType hints to whole pixels; ours does not.
    assert np.corrcoef(ours.ravel(), reference.ravel())[0, 1] > 0.8
    assert ours.sum() == pytest.approx(reference.sum(), rel=0.06)


def test_spaces_alone_have_no_ink(font: Path) -> None:
    assert draw_layout(lay_out("  ", font), font, 40).max() == 0


def test_large_text_has_smooth_edges_where_that_is_asked(font: Path) -> None:
    """The slope of a V advances by as much in each row, and not by leaps."""
    layout = lay_out("V", font)

    def leaps(size: int, *, smooth: bool) -> float:
        ink = draw_layout(layout, font, size, smooth=smooth)[size // 8 : size // 2]
        columns = np.arange(ink.shape[1] // 2)
        left = ink[:, : len(columns)]
        # Where the stroke's left edge lies, to a part of a pixel.
        edge = np.array([np.interp(0.5, row[: row.argmax() + 1], columns[: row.argmax() + 1])
                         for row in left])  # fmt: skip
        return float(np.abs(np.diff(edge, 2)).mean())

    assert leaps(320, smooth=True) < 0.3 * leaps(320, smooth=False)
    small = draw_layout(layout, font, 80, smooth=True)
    assert np.array_equal(small, draw_layout(layout, font, 80))
