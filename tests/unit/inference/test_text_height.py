from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, ImageOps

from textsr.images.image import LoadedImage, luminance
from textsr.inference.text_height import text_height

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
WORDS = "Highly typed quick Boxes jumped by glad Gypsies 1234"


def drawn(font_px: int, lines: int, ink: int = 30, ground: int = 220) -> tuple[np.ndarray, int]:
    """A page of text in [0, 1], and the height from its highest letters to its lowest."""
    font = ImageFont.truetype(str(FONT), font_px)
    _, top, width, bottom = font.getbbox(WORDS)
    step = int(1.4 * font_px)
    page = Image.new("L", (int(width) + 20, lines * step + 10), ground)
    for line in range(lines):
        ImageDraw.Draw(page).text((10, 5 + line * step), WORDS, ink, font)
    return np.asarray(page, np.float32) / 255, int(bottom - top)


@settings(deadline=None, max_examples=25)
@given(
    font_px=st.integers(8, 64),
    lines=st.integers(1, 5),
    tones=st.sampled_from([(30, 220), (220, 30), (120, 160)]),
    noise=st.sampled_from([0, 0.02]),
)
def test_the_height_of_words_is_found(
    font_px: int, lines: int, tones: tuple[int, int], noise: float
) -> None:
    page, height = drawn(font_px, lines, *tones)
    page += np.random.default_rng(0).normal(0, noise, page.shape).astype(np.float32)
    found = text_height(page)
    assert found is not None
    assert 0.7 * height - 1 <= found <= 1.15 * height + 1


def test_a_headline_and_the_ground_s_shade_do_not_count() -> None:
    page, height = drawn(14, 20)
    headline, _ = drawn(60, 1)
    both = np.full((page.shape[0] + headline.shape[0], headline.shape[1]), 220 / 255, np.float32)
    both[: headline.shape[0]] = headline
    both[headline.shape[0] :, : page.shape[1]] = page
    both *= np.linspace(0.6, 1, both.shape[1], dtype=np.float32)
    found = text_height(both)
    assert found is not None
    assert abs(found - height) <= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (40, 40)])
def test_what_has_no_text_has_no_height(size: tuple[int, int]) -> None:
    assert text_height(np.full(size, 0.5, np.float32)) is None


@settings(deadline=None, max_examples=30)
@example(27, 2, 0)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_any_image_has_a_height_or_none(height: int, width: int, seed: int) -> None:
    grey = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    found = text_height(grey)
    assert found is None or 4 <= found <= height


def test_luminance_is_what_pillow_calls_grey() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    expected = np.asarray(ImageOps.grayscale(Image.fromarray(colour[..., ::-1])))
    assert np.abs(luminance(LoadedImage(colour)) * 255 - expected).max() <= 1
    assert np.array_equal(luminance(LoadedImage(expected)) * 255, expected)
