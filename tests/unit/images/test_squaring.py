"""Faxes, whose pixels are not square."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import read_image
from textsr.images.squaring import with_square_pixels


def fax(path: Path, dpi: tuple[float, float], **options: Any) -> Path:
    """A circle of one inch on a page of 2 x 3 inches, as a fax machine scans it."""
    across, down = dpi
    page = Image.new("L", (round(2 * across), round(3 * down)), 255)
    ImageDraw.Draw(page).ellipse((0.5 * across, down, 1.5 * across, 2 * down), fill=0)
    page.convert("1", dither=Image.Dither.NONE).save(path, dpi=dpi, **options)
    return path


@pytest.mark.parametrize(
    ("dpi", "options"),
    [
        ((204, 98), {"compression": "group3"}),
        ((204, 98), {"compression": "group4", "tiffinfo": {262: 0}}),
        ((204, 196), {"compression": "group4"}),
        ((204, 391), {"compression": "tiff_lzw"}),
        ((100, 300), {}),
    ],
)
def test_a_fax_is_as_wide_as_its_paper(
    tmp_path: Path, dpi: tuple[float, float], options: dict[str, Any]
) -> None:
    path = fax(tmp_path / "fax.tif", dpi, **options)
    most = max(dpi)
    with pytest.warns(
        UserWarning, match=rf"fax\.tif: {dpi[0]} x {dpi[1]} pixels per inch; made square"
    ):
        image = read_image(path)
    assert image.dpi == (most, most)
    assert (image.width, image.height) == pytest.approx((2 * most, 3 * most), abs=2)
    ink = image.pixels < 128
    assert ink.mean() == pytest.approx(np.pi / 4 / 6, rel=0.02)  # black on white
    wide, high = ink.any(axis=0).sum(), ink.any(axis=1).sum()
    assert wide == pytest.approx(high, abs=4)


def test_no_detail_is_lost() -> None:
    """Lines of one pixel, in the direction that has the finer resolution, stay."""
    lines = np.tile(np.uint8([0, 255]), (50, 50))
    square = with_square_pixels(LoadedImage(lines, lines, dpi=(204, 98)))
    assert square.pixels.shape == (104, 100)
    assert np.array_equal(square.pixels, np.tile(lines[:1], (104, 1)))
    assert square.alpha is not None
    assert np.array_equal(square.alpha, square.pixels)


@pytest.mark.parametrize("dpi", [None, (300, 300), (200, 199), (72, 1), (1, 300)])
def test_what_is_square_or_absurd_is_left_alone(dpi: tuple[float, float] | None) -> None:
    image = LoadedImage(np.zeros((5, 6), np.uint8), dpi=dpi)
    with warnings.catch_warnings(action="error"):
        assert with_square_pixels(image) is image


def test_the_limit_holds_for_what_becomes_of_it(tmp_path: Path) -> None:
    path = fax(tmp_path / "fax.tif", (204, 98))
    with pytest.raises(TextsrError, match=r"fax\.tif: has more than 0\.2 megapixels"):
        read_image(path, max_pixels=200_000)
